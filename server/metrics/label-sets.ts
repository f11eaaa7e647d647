/** Labels of counters, of which there can only be so many: each set costs memory here and in every database that collects them. */
import type { FileType } from "../../shared/format/layout.ts";

export interface TransferLabels extends Record<string, string> {
  readonly user: string;
  /** The folders of the repository, joined with slashes; empty for the root repository. */
  readonly repo: string;
  readonly type: string;
}

/** Stands for all users and repositories beyond the limit. */
const otherValue = "other";

export class LabelSets {
  readonly #most: number;
  readonly #log: (line: string) => void;
  readonly #known = new Map<string, TransferLabels>();
  #isOverflowTold = false;

  /** `log` is told once, when there are more than `most` sets. */
  constructor(most: number, log: (line: string) => void) {
    this.#most = most;
    this.#log = log;
  }

  /** The labels for files of a type in a repository, used by somebody. Who has a set keeps it. */
  labelsOf(user: string, folders: readonly string[], type: FileType): TransferLabels {
    const repo = folders.join("/");
    // No folder's name has a NUL.
    const key = `${type}\0${repo}\0${user}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= this.#most) return this.#overflow(type);
    const labels = { user, repo, type };
    this.#known.set(key, labels);
    return labels;
  }

  #overflow(type: FileType): TransferLabels {
    if (!this.#isOverflowTold) {
      this.#isOverflowTold = true;
      this.#log(
        `metrics: more than ${this.#most} combinations of user, repository and type; what is new counts as "${otherValue}"`,
      );
    }
    return { user: otherValue, repo: otherValue, type };
  }
}
