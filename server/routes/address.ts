/**
 * From the path of a request to what it addresses: at most two folders, then one of a repository's resources. Source: the section on
 * the URL grammar of docs/protocol.md.
 */
import { CofferError } from "../../shared/errors.ts";
import { type FileHandle, type FileType, fileTypes, isId } from "../../shared/format/layout.ts";
import { batchPath } from "../../shared/rest/batch.ts";
import { isFolderName, isReservedName } from "../storage/folder-name.ts";

export type Resource =
  | { readonly kind: "repository" }
  | { readonly kind: "config"; readonly handle: FileHandle }
  | { readonly kind: "list"; readonly type: FileType }
  | { readonly kind: "object"; readonly handle: FileHandle }
  | { readonly kind: "batch" };

export interface Address {
  readonly folders: readonly string[];
  /** Absent when the path leads to nothing that a repository has. */
  readonly resource?: Resource;
}

const greatestDepth = 2;

/**
 * Takes a path (without query) apart. Escapes are decoded before the path is split: `%2F` separates. Throws `malformed` for
 * escapes that mean nothing, and `not-found` for names that cannot be folders.
 */
export function parseAddress(path: string): Address {
  const [beginning, ...segments] = decodePath(path).split("/");
  if (beginning !== "") throw new CofferError("not-found", `path expected to begin with "/", got ${quote(path)}`);
  const last = segments.length - 1;
  let depth = 0;
  while (depth < last && depth < greatestDepth && !isReservedName(segments[depth] ?? "")) depth += 1;
  const folders = segments.slice(0, depth);
  if (!folders.every(isFolderName)) {
    // Mistakes do not look like this, so whoever runs the server should see it.
    const data = { isSuspicious: true };
    throw new CofferError("not-found", `path ${quote(path)} has an invalid folder name`, { data });
  }
  const resource = parseResource(segments.slice(depth));
  return resource === undefined ? { folders } : { folders, resource };
}

function parseResource(segments: readonly string[]): Resource | undefined {
  const [first = "", second] = segments;
  if (segments.join("/") === batchPath) return { kind: "batch" };
  if (segments.length > 2) return undefined;
  if (second === undefined) {
    if (first === "") return { kind: "repository" };
    return first === "config" ? { kind: "config", handle: { type: "config" } } : undefined;
  }
  const type = fileTypes.find((known) => known === first);
  if (type === undefined) return undefined;
  if (second === "") return { kind: "list", type };
  return isId(second) ? { kind: "object", handle: { type, id: second } } : undefined;
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new CofferError("malformed", `path expected escapes of UTF-8, got ${quote(path)}`, { cause });
  }
}

/** Control characters of a path must not reach a log as they are. */
function quote(path: string): string {
  return JSON.stringify(path);
}
