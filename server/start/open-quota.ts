/** The accounting of what is stored, where something limits it. */
import { CofferError } from "../../shared/errors.ts";
import type { PolicyFile } from "../policy/policy-file.ts";
import { FirstCount } from "../quota/first-count.ts";
import { quotaLimits } from "../quota/limits.ts";
import { LocalQuotaLedger } from "../quota/local-ledger.ts";
import { RegularRecount, recountIntervalMs } from "../quota/regular-recount.ts";
import type { OpenedStorage } from "../storage/open-storage.ts";
import type { ServerOptions } from "./options.ts";

type Log = (line: string) => void;
type Limits = Pick<ServerOptions, "maximumBytes">;
type MeasuredStorage = Pick<OpenedStorage, "usage" | "isShared">;

export interface QuotaSurroundings {
  /** What the start has to tell. */
  readonly announce: Log;
  /** What happens later. */
  readonly log: Log;
  /** Calls again and again, without keeping the process alive. */
  every?(intervalMs: number, callback: () => void): void;
  /** Calls once, without keeping the process alive. */
  after?(delayMs: number, callback: () => void): void;
}

/** True when something limits what is stored, or may do so later: a policy can get quotas. */
export function needsQuota({ maximumBytes }: Limits, policy: PolicyFile | undefined): boolean {
  return maximumBytes !== undefined || policy !== undefined;
}

/** Counts what is stored, unless nothing limits it; what others change, again and again. Throws `unavailable`. */
export async function openQuota(
  limits: Limits,
  policy: PolicyFile | undefined,
  storage: MeasuredStorage,
  surroundings: QuotaSurroundings,
): Promise<LocalQuotaLedger | undefined> {
  if (!needsQuota(limits, policy)) return undefined;
  const { maximumBytes } = limits;
  const ledger = new LocalQuotaLedger(quotaLimits(maximumBytes, policy?.latest.quotas ?? []));
  // A bucket takes long to list, and can be listed later: not for a policy that has no quotas.
  if (!storage.isShared || hasLimit(limits, policy)) await countAtStart(ledger, storage, surroundings.announce);
  policy?.onChange(({ quotas }) => ledger.useLimits(quotaLimits(maximumBytes, quotas)));
  if (storage.isShared) keepCounting(ledger, limits, policy, storage, surroundings);
  return ledger;
}

function hasLimit({ maximumBytes }: Limits, policy: PolicyFile | undefined): boolean {
  return maximumBytes !== undefined || (policy !== undefined && policy.latest.quotas.length > 0);
}

async function countAtStart(ledger: LocalQuotaLedger, storage: MeasuredStorage, announce: Log): Promise<void> {
  announce("Initializing quota (can take a while)...");
  try {
    for await (const { folders, sizeBytes } of storage.usage()) ledger.record(folders, sizeBytes);
  } catch (error) {
    if (!storage.isShared) throw error;
    const advice = "let the key list everything below the prefix, or leave out --max-size and the policy's quotas";
    const message = `quotas expected to count what is stored, and it cannot be listed: ${(error as Error).message}; ${advice}`;
    throw new CofferError("unavailable", message, { cause: error });
  }
  announce(`Quota initialized, ${describeUse(ledger)}`);
}

function keepCounting(
  ledger: LocalQuotaLedger,
  limits: Limits,
  policy: PolicyFile | undefined,
  storage: MeasuredStorage,
  { log, every = callRegularly, after = callLater }: QuotaSurroundings,
): void {
  // Whatever had a limit at the start was counted then (countAtStart).
  const hasCounted = hasLimit(limits, policy);
  const recount = new RegularRecount({ ledger, hasCounted, measure: () => storage.usage(), log });
  const firstCount = new FirstCount({
    recount,
    isNeeded: () => hasLimit(limits, policy),
    after,
    onCounted: () => log(`Counted what is stored, ${describeUse(ledger)}`),
  });
  every(recountIntervalMs, () => {
    if (hasLimit(limits, policy)) void recount.run();
  });
  let hadLimit = hasCounted;
  policy?.onChange(async () => {
    const isFirstLimit = !hadLimit && hasLimit(limits, policy);
    hadLimit = hasLimit(limits, policy);
    if (!isFirstLimit) return;
    log("The policy has quotas now: counting what is stored (can take a while)...");
    await firstCount.start();
  });
}

function callRegularly(intervalMs: number, callback: () => void): void {
  setInterval(callback, intervalMs).unref();
}

function callLater(delayMs: number, callback: () => void): void {
  setTimeout(callback, delayMs).unref();
}

function describeUse({ usedBytes }: LocalQuotaLedger): string {
  return `currently using ${(usedBytes / 2 ** 30).toFixed(2)} GiB`;
}
