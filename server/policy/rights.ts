/** Rights, and which of them each operation on a repository needs. Source: the section on rights of docs/policy.md. */
import type { FileHandle, FileType } from "../../shared/format/layout.ts";

/** In the order in which documents and messages name them. */
export const allRights = ["read", "append", "delete", "manage"] as const;

export type Right = (typeof allRights)[number];

/** Sets of rights that have names. */
export const accessLevels: ReadonlyMap<string, readonly Right[]> = new Map<string, readonly Right[]>([
  ["read-only", ["read"]],
  ["write-only", ["append"]],
  ["append-only", ["read", "append"]],
  ["full", allRights],
]);

type StoredType = FileHandle["type"];

/** What somebody wants to do with a repository. `inspect` stands for the server's own pages about it. */
export type Operation =
  | { readonly action: "create" | "inspect" }
  | { readonly action: "list"; readonly type: FileType }
  | { readonly action: "stat" | "read" | "store" | "remove"; readonly type: StoredType };

const readOrAppend: readonly Right[] = ["read", "append"];
/** Who may use a repository has to lock it, and has to take the lock away again. */
const anyUse: readonly Right[] = ["read", "append", "delete"];

/**
 * Each of these rights is enough. A client that only writes reads what its next backup depends on: everything but the content of
 * packs.
 */
export function rightsFor(operation: Operation): readonly Right[] {
  switch (operation.action) {
    case "create":
    case "inspect":
      return ["manage"];
    case "list":
    case "stat":
      return operation.type === "locks" ? anyUse : readOrAppend;
    case "read":
      if (operation.type === "data") return ["read"];
      return operation.type === "locks" ? anyUse : readOrAppend;
    case "store":
      if (operation.type === "config") return ["manage"];
      return operation.type === "locks" ? anyUse : ["append"];
    case "remove":
      return operation.type === "locks" ? anyUse : ["delete"];
  }
}

/** How messages name an operation: "store data", "create". */
export function describeOperation(operation: Operation): string {
  return "type" in operation ? `${operation.action} ${operation.type}` : operation.action;
}
