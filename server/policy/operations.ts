/** What a request wants to do, told from its method and what it addresses: the same that its route asks the storage for. */
import type { Resource } from "../routes/address.ts";
import type { Operation } from "./rights.ts";

const fileActions: ReadonlyMap<string, "stat" | "read" | "store" | "remove"> = new Map([
  ["HEAD", "stat"],
  ["GET", "read"],
  ["POST", "store"],
  ["DELETE", "remove"],
] as const);

/** Undefined when the resource has no such method. */
export function operationOf(method: string, resource: Resource): Operation | undefined {
  switch (resource.kind) {
    case "repository":
      return method === "POST" ? { action: "create" } : undefined;
    case "list":
      return method === "GET" ? { action: "list", type: resource.type } : undefined;
    case "batch":
      return method === "POST" ? { action: "store", type: "data" } : undefined;
    case "config":
    case "object": {
      const action = fileActions.get(method);
      return action === undefined ? undefined : { action, type: resource.handle.type };
    }
  }
}
