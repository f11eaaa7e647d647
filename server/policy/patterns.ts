/** Patterns of repositories: the names of folders, `{user}`, `*` for one folder and `**` for any number of them. */
import { CofferError } from "../../shared/errors.ts";
import { isFolderName } from "../storage/folder-name.ts";

/** A pattern, taken apart. Without segments it is the repository at the root. */
export interface RepositoryPattern {
  readonly text: string;
  readonly segments: readonly string[];
  /** The same, as `fitsBroadly` compares them. */
  readonly foldedSegments: readonly string[];
  readonly hasUser: boolean;
}

const greatestDepth = 2;
const userSegment = "{user}";
const specialSegments: ReadonlySet<string> = new Set([userSegment, "*", "**"]);

/** A slash at the beginning or the end means nothing; "/" alone is the root. Throws `malformed` for what could never fit. */
export function parsePattern(text: string): RepositoryPattern {
  const inner = text.replace(/^\//, "").replace(/\/$/, "");
  if (text === "") refuse(text, 'a path such as "{user}/**", or "/" for the repository at the root');
  const segments = inner === "" ? [] : inner.split("/");
  for (const segment of segments) {
    if (specialSegments.has(segment)) continue;
    if (/[*{}]/.test(segment)) refuse(text, '"{user}", "*" and "**" as whole names between slashes');
    if (!isFolderName(segment)) refuse(text, `names of folders, which ${JSON.stringify(segment)} cannot be`);
  }
  if (segments.filter((segment) => segment !== "**").length > greatestDepth) {
    refuse(text, "at most two folders: no repository lies deeper");
  }
  return { text, segments, foldedSegments: segments.map(fold), hasUser: segments.includes(userSegment) };
}

function refuse(text: string, expected: string): never {
  throw new CofferError("malformed", `expected ${expected}, got ${JSON.stringify(text)}`);
}

/** True when the pattern fits the folders. `{user}` is this user; the user without a name has no folder. */
export function fits(pattern: RepositoryPattern, folders: readonly string[], user: string): boolean {
  return fitsFrom({ segments: pattern.segments, folders, user }, 0, 0);
}

/**
 * The same, blind for upper and lower case and for the way in which accents are encoded: on some file systems such names are one
 * folder, and what is denied must not be reached by another spelling.
 */
export function fitsBroadly(pattern: RepositoryPattern, folders: readonly string[], user: string): boolean {
  return fitsFrom({ segments: pattern.foldedSegments, folders: folders.map(fold), user: fold(user) }, 0, 0);
}

function fold(name: string): string {
  return name.normalize("NFKC").toUpperCase().toLowerCase();
}

interface Comparison {
  readonly segments: readonly string[];
  readonly folders: readonly string[];
  readonly user: string;
}

/** True when the segments from this one on fit the folders from this one on. Decided for every request: nothing is copied. */
function fitsFrom(comparison: Comparison, segmentIndex: number, folderIndex: number): boolean {
  const { segments, folders, user } = comparison;
  const segment = segments[segmentIndex];
  if (segment === undefined) return folderIndex === folders.length;
  if (segment === "**") {
    for (let skippedTo = folderIndex; skippedTo <= folders.length; skippedTo++) {
      if (fitsFrom(comparison, segmentIndex + 1, skippedTo)) return true;
    }
    return false;
  }
  const name = folders[folderIndex];
  if (name === undefined) return false;
  if (segment !== "*" && name !== (segment === userSegment ? user : segment)) return false;
  return fitsFrom(comparison, segmentIndex + 1, folderIndex + 1);
}
