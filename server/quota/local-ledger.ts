/** The ledger of one process, in memory. */
import { CofferError } from "../../shared/errors.ts";
import { formatSize } from "../policy/sizes.ts";
import type { QuotaLedger, QuotaPurpose, Removal, Reservation } from "./ledger.ts";
import type { QuotaLimits, QuotaScope } from "./limits.ts";

/** By so much may locks and configurations exceed a limit: a full repository can still be locked, read and made smaller. */
const upkeepBytes = 1_048_576;

export class LocalQuotaLedger implements QuotaLedger {
  /** Name of a repository to what it holds, reservations included. Empty ones have no entry. */
  readonly #repositories = new Map<string, number>();
  /** Key of a scope to the sum of its repositories. */
  readonly #sums = new Map<string, number>();
  /** Removals under way, by repository and path. */
  readonly #removals = new Map<string, Promise<void>>();
  /** Files that belong to no repository. */
  #otherBytes = 0;
  #limits: QuotaLimits;

  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /** Everything that is stored, reservations included. */
  get usedBytes(): number {
    let sum = this.#otherBytes;
    for (const bytes of this.#repositories.values()) sum += bytes;
    return sum;
  }

  /** What a repository holds, reservations included. */
  usedBy(repository: string): number {
    return this.#repositories.get(repository) ?? 0;
  }

  /** Counts what is there already, in a repository (by its folders) or outside all of them. */
  record(folders: readonly string[] | undefined, bytes: number): void {
    if (folders !== undefined) {
      this.#add(folders.join("/"), bytes);
      return;
    }
    this.#otherBytes += bytes;
    this.#addToSums(this.#limits(undefined), bytes);
  }

  /** Other limits from now on, for what is there already as well. What exceeds them stays; nothing comes to it. */
  useLimits(limits: QuotaLimits): void {
    this.#limits = limits;
    this.#sums.clear();
    this.#addToSums(limits(undefined), this.#otherBytes);
    for (const [repository, bytes] of this.#repositories) this.#addToSums(limits(foldersOf(repository)), bytes);
  }

  async reserve(repository: string, bytes: number, purpose: QuotaPurpose): Promise<Reservation> {
    let reservedBytes = 0;
    let isSettled = false;
    const grow = async (moreBytes: number): Promise<void> => {
      this.#require(repository, moreBytes, purpose);
      this.#add(repository, moreBytes);
      reservedBytes += moreBytes;
    };
    await grow(bytes);
    return {
      grow,
      settle: async (storedBytes) => {
        if (!isSettled) this.#add(repository, storedBytes - reservedBytes);
        isSettled = true;
      },
    };
  }

  async beginRemoval(repository: string, path: string): Promise<Removal> {
    const key = JSON.stringify([repository, path]);
    for (let other = this.#removals.get(key); other !== undefined; other = this.#removals.get(key)) await other;
    let finish = (): void => undefined;
    this.#removals.set(
      key,
      new Promise((resolve) => {
        finish = resolve;
      }),
    );
    let isEnded = false;
    return {
      end: async (removedBytes) => {
        if (isEnded) return;
        isEnded = true;
        this.#add(repository, -removedBytes);
        this.#removals.delete(key);
        finish();
      },
    };
  }

  #require(repository: string, bytes: number, purpose: QuotaPurpose): void {
    const extraBytes = purpose === "upkeep" ? upkeepBytes : 0;
    for (const { key, limitBytes, title } of this.#limits(foldersOf(repository))) {
      const usedBytes = this.#sums.get(key) ?? 0;
      if (usedBytes + bytes <= limitBytes + extraBytes) continue;
      const used = `${formatSize(usedBytes)} are used, ${bytes} bytes more were wanted`;
      throw new CofferError("out-of-space", `${title} may hold ${formatSize(limitBytes)}: ${used}`, {
        data: { limitBytes, usedBytes },
      });
    }
  }

  /** What another program has stored was never counted and can be removed all the same: no sum falls below zero. */
  #add(repository: string, bytes: number): void {
    const before = this.usedBy(repository);
    const after = Math.max(0, before + bytes);
    if (after === 0) this.#repositories.delete(repository);
    else this.#repositories.set(repository, after);
    this.#addToSums(this.#limits(foldersOf(repository)), after - before);
  }

  #addToSums(scopes: readonly QuotaScope[], bytes: number): void {
    for (const { key } of scopes) {
      const sum = (this.#sums.get(key) ?? 0) + bytes;
      if (sum === 0) this.#sums.delete(key);
      else this.#sums.set(key, sum);
    }
  }
}

function foldersOf(repository: string): readonly string[] {
  return repository === "" ? [] : repository.split("/");
}
