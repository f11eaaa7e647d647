/**
 * Slows down those who guess passwords. Failures are counted for each user from each network, for each network, and for each user;
 * what was counted is forgotten with time.
 *
 * Nobody can lock a user out from elsewhere: a refusal depends on the failures of one's own network only. What others do to a user name
 * costs a new place of that user at most a second.
 */
import { createHash } from "node:crypto";
import { networkOf } from "../network/ip-address.ts";
import { FailureCounts } from "./failure-counts.ts";
import { RecentPlaces } from "./recent-places.ts";

/** Somebody shows the credentials of a user. */
export interface LoginAttempt {
  readonly user: string;
  readonly clientAddress: string;
}

/** Whether the credentials are looked at, and how long that has to wait. */
export type Admission =
  | { readonly isAdmitted: true; readonly delayMs: number }
  | { readonly isAdmitted: false; readonly retryAfterMs: number };

/** `aborted`: nobody looked at the credentials. */
export type LoginOutcome = "right" | "wrong" | "aborted";

/** Asynchronous, so that several processes can count together. Every attempt that is admitted has to be settled, once. */
export interface LoginThrottle {
  /** Counts the attempt as a failure until it is settled, so that many at once do not get more than one after the other. */
  admit(attempt: LoginAttempt): Promise<Admission>;
  settle(attempt: LoginAttempt, outcome: LoginOutcome): Promise<void>;
}

/** One user from one network: a person who tries what the password may have been, or a program that has the wrong one. */
const pairLimits = { free: 5, most: 20, forgetMs: 30_000 };
/** A network: many people can share one. */
const networkLimits = { free: 30, most: 150, forgetMs: 10_000 };
/** A user from everywhere: nobody is refused for that. */
const userLimits = { free: 100, forgetMs: 10_000 };

const firstDelayMs = 500;
const longestDelayMs = 8_000;
const mildDelayMs = 1_000;

/** Counts in the memory of this process: some 10,000 entries of each kind. */
export class MemoryLoginThrottle implements LoginThrottle {
  readonly #pairs: FailureCounts;
  readonly #networks: FailureCounts;
  readonly #users: FailureCounts;
  readonly #knownPlaces: RecentPlaces;

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now(), keptEntries = 10_000) {
    this.#pairs = new FailureCounts(pairLimits.forgetMs, keptEntries, now);
    this.#networks = new FailureCounts(networkLimits.forgetMs, keptEntries, now);
    this.#users = new FailureCounts(userLimits.forgetMs, keptEntries, now);
    this.#knownPlaces = new RecentPlaces(keptEntries, now);
  }

  async admit(attempt: LoginAttempt): Promise<Admission> {
    const { pair, network, user } = keysOf(attempt);
    // Where a user has logged in before, what neighbours behind the same address do costs nothing.
    const isKnown = this.#knownPlaces.has(pair);
    const retryAfterMs = Math.max(
      this.#pairs.msUntilBelow(pair, pairLimits.most),
      isKnown ? 0 : this.#networks.msUntilBelow(network, networkLimits.most),
    );
    if (retryAfterMs > 0) return { isAdmitted: false, retryAfterMs };
    const pairDelayMs = growingDelayMs(this.#pairs.add(pair));
    const isNetworkCrowded = this.#networks.add(network) > networkLimits.free;
    const isUserCrowded = this.#users.add(user) > userLimits.free;
    const crowdDelayMs = !isKnown && (isNetworkCrowded || isUserCrowded) ? mildDelayMs : 0;
    return { isAdmitted: true, delayMs: Math.max(pairDelayMs, crowdDelayMs) };
  }

  async settle(attempt: LoginAttempt, outcome: LoginOutcome): Promise<void> {
    if (outcome === "wrong") return;
    const { pair, network, user } = keysOf(attempt);
    // Failures of others from the same network stay: who has one password must not be able to guess others with it.
    this.#networks.takeBack(network);
    this.#users.takeBack(user);
    if (outcome === "aborted") return this.#pairs.takeBack(pair);
    this.#pairs.forget(pair);
    this.#knownPlaces.add(pair);
  }

  /** Before an attempt that was right is settled: true when that says more than was known. */
  isNews(attempt: LoginAttempt): boolean {
    const { pair } = keysOf(attempt);
    return !this.#knownPlaces.has(pair) || this.#pairs.count(pair) > 1;
  }

  /** Counts a failure that happened elsewhere. */
  countFailure(attempt: LoginAttempt): void {
    const { pair, network, user } = keysOf(attempt);
    this.#pairs.add(pair);
    this.#networks.add(network);
    this.#users.add(user);
  }

  /** Notes a right login elsewhere. */
  welcome(attempt: LoginAttempt): void {
    const { pair } = keysOf(attempt);
    this.#pairs.forget(pair);
    this.#knownPlaces.add(pair);
  }
}

function growingDelayMs(failures: number): number {
  const counted = Math.ceil(failures) - pairLimits.free;
  return counted <= 0 ? 0 : Math.min(firstDelayMs * 2 ** (counted - 1), longestDelayMs);
}

function keysOf({ user, clientAddress }: LoginAttempt): { pair: string; network: string; user: string } {
  const network = networkOf(clientAddress);
  // Names that strangers make up can be as long as a header.
  const name = user.length <= 64 ? user : createHash("sha256").update(user).digest("base64");
  return { pair: `${network} ${name}`, network, user: name };
}
