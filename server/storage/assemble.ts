/** Puts the wrappers around every repository in the order in which they have to act. */
import type { QuotaLedger } from "../quota/ledger.ts";
import { QuotaStorage } from "./quota.ts";
import type { Repositories, Storage } from "./storage.ts";
import { UnverifiedStorage } from "./unverified.ts";
import { VerifiedStorage } from "./verified.ts";

export interface StorageRules {
  /** Absent: there are no limits. */
  readonly ledger?: QuotaLedger | undefined;
  /** Absent means true: content has to hash to its name. */
  readonly verifyUploads?: boolean;
}

/** Rights are not among them: they differ from request to request (routes/dispatch.ts). */
export function assembleStorage(
  repositories: Repositories,
  { ledger, verifyUploads = true }: StorageRules,
): Repositories {
  const limit = (storage: Storage, folders: readonly string[]): Storage => {
    return ledger === undefined ? storage : new QuotaStorage(storage, folders, ledger);
  };
  const Uploads = verifyUploads ? VerifiedStorage : UnverifiedStorage;
  return { at: (folders) => new Uploads(limit(repositories.at(folders), folders)) };
}
