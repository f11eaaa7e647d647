/** Patterns of repositories: the names of folders, `{user}`, `*` for one folder and `**` for any number of them. */
import { CofferError } from "../../shared/errors.ts";
import { isFolderName } from "../storage/folder-name.ts";

const userFolder: unique symbol = Symbol("{user}");
const anyFolder: unique symbol = Symbol("*");
const anyFolders: unique symbol = Symbol("**");
/** The name of a folder, or what stands for others: no name, however it is folded, is ever taken for that. */
type Segment = string | typeof userFolder | typeof anyFolder | typeof anyFolders;

/** A pattern, taken apart. Without segments it is the repository at the root. */
export interface RepositoryPattern {
  readonly text: string;
  readonly segments: readonly Segment[];
  /** The same, as `fitsBroadly` compares them. */
  readonly foldedSegments: readonly Segment[];
  readonly hasUser: boolean;
}

const greatestDepth = 2;
const specialSegments: ReadonlyMap<string, Segment> = new Map<string, Segment>([
  ["{user}", userFolder],
  ["*", anyFolder],
  ["**", anyFolders],
]);

/** A slash at the beginning or the end means nothing; "/" alone is the root. Throws `malformed` for what could never fit. */
export function parsePattern(text: string): RepositoryPattern {
  const inner = text.replace(/^\//, "").replace(/\/$/, "");
  if (text === "") refuse(text, 'a path such as "{user}/**", or "/" for the repository at the root');
  const segments = inner === "" ? [] : inner.split("/").map((segment) => parseSegment(text, segment));
  if (segments.filter((segment) => segment !== anyFolders).length > greatestDepth) {
    refuse(text, "at most two folders: no repository lies deeper");
  }
  const foldedSegments = segments.map((segment) => (typeof segment === "string" ? fold(segment) : segment));
  return { text, segments, foldedSegments, hasUser: segments.includes(userFolder) };
}

function parseSegment(text: string, segment: string): Segment {
  const special = specialSegments.get(segment);
  if (special !== undefined) return special;
  if (/[*{}]/.test(segment)) refuse(text, '"{user}", "*" and "**" as whole names between slashes');
  if (!isFolderName(segment)) refuse(text, `names of folders, which ${JSON.stringify(segment)} cannot be`);
  return segment;
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
  readonly segments: readonly Segment[];
  readonly folders: readonly string[];
  readonly user: string;
}

/** True when the segments from this one on fit the folders from this one on. Decided for every request: nothing is copied. */
function fitsFrom(comparison: Comparison, segmentIndex: number, folderIndex: number): boolean {
  const { segments, folders, user } = comparison;
  const segment = segments[segmentIndex];
  if (segment === undefined) return folderIndex === folders.length;
  if (segment === anyFolders) {
    for (let skippedTo = folderIndex; skippedTo <= folders.length; skippedTo++) {
      if (fitsFrom(comparison, segmentIndex + 1, skippedTo)) return true;
    }
    return false;
  }
  const name = folders[folderIndex];
  if (name === undefined) return false;
  if (segment !== anyFolder && name !== (segment === userFolder ? user : segment)) return false;
  return fitsFrom(comparison, segmentIndex + 1, folderIndex + 1);
}
