/** Patterns of repositories: the names of folders, `{user}`, `*` for one folder and `**` for any number of them. */
import { CofferError } from "../../shared/errors.ts";
import { isFolderName } from "../storage/folder-name.ts";

/** A pattern, taken apart. Without segments it is the repository at the root. */
export interface RepositoryPattern {
  readonly text: string;
  readonly segments: readonly string[];
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
  return { text, segments, hasUser: segments.includes(userSegment) };
}

function refuse(text: string, expected: string): never {
  throw new CofferError("malformed", `expected ${expected}, got ${JSON.stringify(text)}`);
}

/** True when the pattern fits the folders. `{user}` is this user; the user without a name has no folder. */
export function fits(pattern: RepositoryPattern, folders: readonly string[], user: string): boolean {
  return fitsFrom(pattern.segments, folders, (name, segment) => (segment === userSegment ? user : segment) === name);
}

/**
 * The same, blind for upper and lower case and for the way in which accents are encoded: on some file systems such names are one
 * folder, and what is denied must not be reached by another spelling.
 */
export function fitsBroadly(pattern: RepositoryPattern, folders: readonly string[], user: string): boolean {
  const foldedUser = fold(user);
  const folded = folders.map(fold);
  return fitsFrom(
    pattern.segments,
    folded,
    (name, segment) => (segment === userSegment ? foldedUser : fold(segment)) === name,
  );
}

function fold(name: string): string {
  return name.normalize("NFKC").toUpperCase().toLowerCase();
}

type SameName = (name: string, segment: string) => boolean;

function fitsFrom(segments: readonly string[], folders: readonly string[], isSame: SameName): boolean {
  const [segment, ...otherSegments] = segments;
  if (segment === undefined) return folders.length === 0;
  if (segment === "**") {
    return Array.from({ length: folders.length + 1 }, (_, skipped) => folders.slice(skipped)).some((rest) => {
      return fitsFrom(otherSegments, rest, isSame);
    });
  }
  const [name, ...otherFolders] = folders;
  if (name === undefined || (segment !== "*" && !isSame(name, segment))) return false;
  return fitsFrom(otherSegments, otherFolders, isSame);
}
