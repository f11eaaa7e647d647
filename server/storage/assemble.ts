/** Puts the wrappers around every repository in the order in which they have to act. */
import { AppendOnlyStorage } from "./append-only.ts";
import type { Repositories, Storage } from "./storage.ts";
import { VerifiedStorage } from "./verified.ts";

export interface StorageRules {
  readonly appendOnly: boolean;
}

export function assembleStorage(repositories: Repositories, rules: StorageRules): Repositories {
  const wrap = (storage: Storage): Storage => {
    const verified = new VerifiedStorage(storage);
    return rules.appendOnly ? new AppendOnlyStorage(verified) : verified;
  };
  return { at: (folders) => wrap(repositories.at(folders)) };
}
