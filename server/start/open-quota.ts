/** The accounting of what is stored, where something limits it. */
import { CofferError } from "../../shared/errors.ts";
import type { PolicyFile } from "../policy/policy-file.ts";
import type { QuotaLedger } from "../quota/ledger.ts";
import { quotaLimits } from "../quota/limits.ts";
import { LocalQuotaLedger } from "../quota/local-ledger.ts";
import type { OpenedStorage } from "../storage/open-storage.ts";
import type { ServerOptions } from "./options.ts";

/** True when something limits what is stored, or may do so later: a policy can get quotas. Throws `usage` where nobody can count. */
export function needsQuota(
  { maximumBytes }: ServerOptions,
  policy: PolicyFile | undefined,
  storage: OpenedStorage,
): boolean {
  if (maximumBytes === undefined && policy === undefined) return false;
  if (storage.usage !== undefined) return true;
  // Of a bucket, and of what other servers do to it, nobody here keeps count.
  if (maximumBytes === undefined && policy?.latest.quotas.length === 0) return false;
  const advice = "leave out --max-size and the policy's quotas, or set a quota in the store";
  throw new CofferError("usage", `quotas expected repositories on disk, got --storage; ${advice}`);
}

/** Counts what is stored, unless nothing limits it. Throws `usage`. */
export function openQuota(
  options: ServerOptions,
  policy: PolicyFile | undefined,
  storage: OpenedStorage,
  log: (line: string) => void,
): QuotaLedger | undefined {
  if (!needsQuota(options, policy, storage)) return undefined;
  const { maximumBytes } = options;
  log("Initializing quota (can take a while)...");
  const ledger = new LocalQuotaLedger(quotaLimits(maximumBytes, policy?.latest.quotas ?? []));
  for (const { folders, sizeBytes } of storage.usage?.() ?? []) ledger.record(folders, sizeBytes);
  policy?.onChange(({ quotas }) => ledger.useLimits(quotaLimits(maximumBytes, quotas)));
  log(`Quota initialized, currently using ${(ledger.usedBytes / 2 ** 30).toFixed(2)} GiB`);
  return ledger;
}
