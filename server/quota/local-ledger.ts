/** The ledger of one process, in memory. */
import { CofferError } from "../../shared/errors.ts";
import { formatSize } from "../sizes.ts";
import type { QuotaLedger, QuotaPurpose, Removal, Reservation } from "./ledger.ts";
import type { QuotaLimits, QuotaScope } from "./limits.ts";
import { addBytes, Recount } from "./recount.ts";

/** So much upkeep is let in beyond a limit: a full repository can still be locked, read and made smaller. */
const upkeepBytes = 16_777_216;
const keptScopes = 10_000;

/** What something holds, reservations included. */
interface Amount {
  /** Of everything. */
  readonly usedBytes: number;
  /** Of what was stored as upkeep by this process: uploads through it bring no sum further beyond its limit than this. */
  readonly upkeepBytes: number;
}

const nothing: Amount = { usedBytes: 0, upkeepBytes: 0 };

export class LocalQuotaLedger implements QuotaLedger {
  /** By name. Empty ones have no entry. */
  readonly #repositories = new Map<string, Amount>();
  /** The sums of scopes, by key. */
  readonly #sums = new Map<string, Amount>();
  /** What is set aside for uploads under way, by repository. */
  readonly #reservedBytes = new Map<string, number>();
  /** Removals under way, by repository and path. */
  readonly #removals = new Map<string, Promise<void>>();
  /** The scopes of repositories that were used lately: matching hundreds of patterns takes a while. */
  readonly #scopes = new Map<string, readonly QuotaScope[]>();
  /** Files that belong to no repository. */
  #otherBytes = 0;
  #limits: QuotaLimits;
  /** The one that is running. */
  #recount: Recount | undefined;
  #finishedRecounts = 0;

  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /** Everything that is stored, reservations included. */
  get usedBytes(): number {
    let sum = this.#otherBytes;
    for (const { usedBytes } of this.#repositories.values()) sum += usedBytes;
    return sum;
  }

  /** What a repository holds, reservations included. */
  usedBy(repository: string): number {
    return this.#repositories.get(repository)?.usedBytes ?? 0;
  }

  /** Counts what is there already, in a repository (by its folders) or outside all of them. */
  record(folders: readonly string[] | undefined, bytes: number): void {
    if (folders !== undefined) {
      this.#add(folders.join("/"), bytes, "content");
      return;
    }
    this.#otherBytes += bytes;
    this.#addToSums(this.#limits(undefined), { usedBytes: bytes, upkeepBytes: 0 });
  }

  /** Other limits from now on, for what is there already as well. What exceeds them stays; nothing comes to it. */
  useLimits(limits: QuotaLimits): void {
    this.#limits = limits;
    this.#scopes.clear();
    this.#addUpSums();
  }

  /** Has to be called before the list of what is stored begins, and finished or abandoned afterwards. One at a time. */
  beginRecount(): Recount {
    if (this.#recount !== undefined)
      throw new CofferError("internal", "a recount was begun, and another one is running");
    this.#recount = new Recount();
    return this.#recount;
  }

  /** Takes the counts of the list instead of the old ones; of what happened meanwhile, what recount.ts says. */
  finishRecount(): void {
    const recount = this.#recount;
    if (recount === undefined) throw new CofferError("internal", "a recount was finished that was not begun");
    this.#recount = undefined;
    this.#finishedRecounts += 1;
    for (const [repository, bytes] of this.#reservedBytes) recount.add(repository, bytes);
    for (const [repository, { upkeepBytes: upkeep }] of this.#repositories) {
      this.#setAmount(repository, { usedBytes: 0, upkeepBytes: upkeep });
    }
    for (const [repository, usedBytes] of recount.repositories) {
      const upkeep = this.#repositories.get(repository)?.upkeepBytes ?? 0;
      this.#repositories.set(repository, { usedBytes, upkeepBytes: upkeep });
    }
    this.#otherBytes = recount.otherBytes;
    this.#addUpSums();
    this.#forgetUpkeepWithinLimits();
  }

  /** The old counts stay, as if no recount had been begun. */
  abandonRecount(): void {
    this.#recount = undefined;
  }

  async reserve(repository: string, bytes: number, purpose: QuotaPurpose): Promise<Reservation> {
    let reservedBytes = 0;
    let isSettled = false;
    const grow = async (moreBytes: number): Promise<void> => {
      this.#require(repository, moreBytes, purpose);
      this.#add(repository, moreBytes, purpose);
      addBytes(this.#reservedBytes, repository, moreBytes);
      reservedBytes += moreBytes;
    };
    await grow(bytes);
    return {
      grow,
      settle: async (storedBytes) => {
        if (isSettled) return;
        isSettled = true;
        this.#add(repository, storedBytes - reservedBytes, purpose);
        addBytes(this.#reservedBytes, repository, -reservedBytes);
        this.#recount?.add(repository, storedBytes);
      },
    };
  }

  async beginRemoval(repository: string, path: string, purpose: QuotaPurpose): Promise<Removal> {
    const key = JSON.stringify([repository, path]);
    for (let other = this.#removals.get(key); other !== undefined; other = this.#removals.get(key)) await other;
    let finish = (): void => undefined;
    this.#removals.set(
      key,
      new Promise((resolve) => {
        finish = resolve;
      }),
    );
    const recountsBefore = this.#finishedRecounts;
    let isEnded = false;
    return {
      end: async (removedBytes) => {
        if (isEnded) return;
        isEnded = true;
        // A list that was complete meanwhile may have been made without the file.
        if (this.#finishedRecounts === recountsBefore) this.#add(repository, -removedBytes, purpose);
        this.#removals.delete(key);
        finish();
      },
    };
  }

  #require(repository: string, bytes: number, purpose: QuotaPurpose): void {
    for (const { key, limitBytes, title } of this.#scopesOf(repository)) {
      const sum = this.#sums.get(key) ?? nothing;
      if (sum.usedBytes + bytes <= limitBytes) continue;
      if (purpose === "upkeep" && sum.upkeepBytes + bytes <= upkeepBytes) continue;
      const used = `${formatSize(sum.usedBytes)} are used, ${bytes} bytes more were wanted`;
      throw new CofferError("out-of-space", `${title} may hold ${formatSize(limitBytes)}: ${used}`, {
        data: { limitBytes, usedBytes: sum.usedBytes },
      });
    }
  }

  /**
   * What another program has stored was never counted, and what an earlier process stored as upkeep not as that. All of it can be
   * removed: no sum falls below zero.
   */
  #add(repository: string, bytes: number, purpose: QuotaPurpose): void {
    const before = this.#repositories.get(repository) ?? nothing;
    const usedBytes = Math.max(0, before.usedBytes + bytes);
    const upkeep = Math.max(0, before.upkeepBytes + (purpose === "upkeep" ? bytes : 0));
    this.#setAmount(repository, { usedBytes, upkeepBytes: upkeep });
    this.#addToSums(this.#scopesOf(repository), {
      usedBytes: usedBytes - before.usedBytes,
      upkeepBytes: upkeep - before.upkeepBytes,
    });
  }

  #setAmount(repository: string, amount: Amount): void {
    if (amount.usedBytes === 0 && amount.upkeepBytes === 0) this.#repositories.delete(repository);
    else this.#repositories.set(repository, amount);
  }

  #addUpSums(): void {
    this.#sums.clear();
    this.#addToSums(this.#limits(undefined), { usedBytes: this.#otherBytes, upkeepBytes: 0 });
    for (const [repository, amount] of this.#repositories) this.#addToSums(this.#scopesOf(repository), amount);
  }

  /**
   * Locks that were stored here and removed through another server would count as upkeep forever, until a full repository could not
   * be locked any more. Where nothing exceeds a limit, none of it lies beyond one, so that it need not be known.
   */
  #forgetUpkeepWithinLimits(): void {
    const isWithin = ({ key, limitBytes }: QuotaScope): boolean => (this.#sums.get(key)?.usedBytes ?? 0) <= limitBytes;
    for (const [repository, { usedBytes, upkeepBytes: upkeep }] of this.#repositories) {
      const scopes = this.#scopesOf(repository);
      if (upkeep === 0 || !scopes.every(isWithin)) continue;
      this.#setAmount(repository, { usedBytes, upkeepBytes: 0 });
      this.#addToSums(scopes, { usedBytes: 0, upkeepBytes: -upkeep });
    }
  }

  #scopesOf(repository: string): readonly QuotaScope[] {
    const known = this.#scopes.get(repository);
    if (known !== undefined) return known;
    if (this.#scopes.size >= keptScopes) this.#scopes.clear();
    const scopes = this.#limits(repository === "" ? [] : repository.split("/"));
    this.#scopes.set(repository, scopes);
    return scopes;
  }

  #addToSums(scopes: readonly QuotaScope[], added: Amount): void {
    for (const { key } of scopes) {
      const before = this.#sums.get(key) ?? nothing;
      const after = {
        usedBytes: before.usedBytes + added.usedBytes,
        upkeepBytes: before.upkeepBytes + added.upkeepBytes,
      };
      if (after.usedBytes === 0 && after.upkeepBytes === 0) this.#sums.delete(key);
      else this.#sums.set(key, after);
    }
  }
}
