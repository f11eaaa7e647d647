/** The accounting of what is stored, where something limits it. */
import { CofferError } from "../../shared/errors.ts";
import type { PolicyFile } from "../policy/policy-file.ts";
import type { QuotaLedger } from "../quota/ledger.ts";
import { quotaLimits } from "../quota/limits.ts";
import { LocalQuotaLedger } from "../quota/local-ledger.ts";
import type { OpenedStorage } from "../storage/open-storage.ts";
import type { ServerOptions } from "./options.ts";

/** Counts what is stored, unless nothing limits it. A policy can get its quotas later, so it always counts. Throws `usage`. */
export function openQuota(
  { maximumBytes }: ServerOptions,
  policy: PolicyFile | undefined,
  storage: OpenedStorage,
  log: (line: string) => void,
): QuotaLedger | undefined {
  if (maximumBytes === undefined && policy === undefined) return undefined;
  if (storage.usage === undefined) {
    // Of a bucket, and of what other servers do to it, nobody here keeps count.
    if (maximumBytes === undefined && policy?.latest.quotas.length === 0) return undefined;
    const advice = "leave out --max-size and the policy's quotas, or set a quota in the store";
    throw new CofferError("usage", `quotas expected repositories on disk, got --storage; ${advice}`);
  }
  log("Initializing quota (can take a while)...");
  const ledger = new LocalQuotaLedger(quotaLimits(maximumBytes, policy?.latest.quotas ?? []));
  for (const { folders, sizeBytes } of storage.usage()) ledger.record(folders, sizeBytes);
  policy?.onChange(({ quotas }) => ledger.useLimits(quotaLimits(maximumBytes, quotas)));
  log(`Quota initialized, currently using ${(ledger.usedBytes / 2 ** 30).toFixed(2)} GiB`);
  return ledger;
}
