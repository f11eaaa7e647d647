/** Puts the wrappers around every repository in the order in which they have to act. */
import { AppendOnlyStorage } from "./append-only.ts";
import type { Repositories, Storage } from "./storage.ts";
import { UnverifiedStorage } from "./unverified.ts";
import { VerifiedStorage } from "./verified.ts";

export interface StorageRules {
  readonly appendOnly: boolean;
  /** Absent means true: content has to hash to its name. */
  readonly verifyUploads?: boolean;
}

export function assembleStorage(repositories: Repositories, rules: StorageRules): Repositories {
  const wrap = (storage: Storage): Storage => {
    const uploads = rules.verifyUploads === false ? new UnverifiedStorage(storage) : new VerifiedStorage(storage);
    return rules.appendOnly ? new AppendOnlyStorage(uploads) : uploads;
  };
  return { at: (folders) => wrap(repositories.at(folders)) };
}
