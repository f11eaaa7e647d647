/** rest-server's six counters, with its names and labels. Source: the section on metrics of docs/monitoring.md. */
import type { Counter, Registry } from "prom-client";
import type { FinishedRequest, Observer, StorageChange } from "../observation/observer.ts";
import type { LabelSets } from "./label-sets.ts";
import type { PromClient } from "./prom-client.ts";

interface Pair {
  readonly count: Counter;
  readonly bytes: Counter;
}

type Verb = "write" | "read" | "delete";

const verbs: Readonly<Record<Verb, string>> = { write: "written", read: "read", delete: "deleted" };

/** Counts what happens to objects; `config` is not counted, as with rest-server. */
export function transferCounters(client: PromClient, registry: Registry, labelSets: LabelSets): Observer {
  const write = makePair(client, registry, "write");
  const read = makePair(client, registry, "read");
  const remove = makePair(client, registry, "delete");
  return {
    storageChanged: ({ action, user, folders, handle, sizeBytes }: StorageChange) => {
      // What was deleted, but did not exist, has no size.
      if (handle === undefined || handle.type === "config" || sizeBytes === undefined) return;
      const pair = action === "write" ? write : action === "delete" ? remove : undefined;
      if (pair !== undefined) add(pair, labelSets.labelsOf(user, folders, handle.type), sizeBytes);
    },
    requestEnded: (request) => {
      const { address, user, sentBytes } = request;
      const resource = address?.resource;
      if (address === undefined || resource?.kind !== "object" || !hasRead(request)) return;
      if (resource.handle.type === "config") return;
      add(read, labelSets.labelsOf(user, address.folders, resource.handle.type), sentBytes);
    },
  };
}

/** Every GET that found its object, whatever part of it was wanted. */
const statusesOfFound: ReadonlySet<number> = new Set([200, 206, 304, 412, 416]);

function hasRead({ method, status }: FinishedRequest): boolean {
  return method === "GET" && statusesOfFound.has(status);
}

function makePair(client: PromClient, registry: Registry, verb: Verb): Pair {
  const make = (name: string, help: string): Counter =>
    new client.Counter({ name, help, labelNames: ["user", "repo", "type"], registers: [registry] });
  return {
    count: make(`rest_server_blob_${verb}_total`, `Total number of blobs ${verbs[verb]}`),
    bytes: make(`rest_server_blob_${verb}_bytes_total`, `Total number of bytes ${verbs[verb]} of blobs`),
  };
}

function add(pair: Pair, labels: Record<string, string>, sizeBytes: number): void {
  pair.count.inc(labels);
  pair.bytes.inc(labels, sizeBytes);
}
