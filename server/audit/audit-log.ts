/** The audit log: who changed what, who was refused, and who could not log in. One JSON object a line. */
import type { FileHandle } from "../../shared/format/layout.ts";
import type { AccessLog } from "../http/access-log.ts";
import { jsonLine } from "../http/log-text.ts";
import type { Actor, Observer } from "../observation/observer.ts";
import { isRefusal } from "../observation/refusal.ts";

/** Names that strangers make up can be as long as a header. */
const longestName = 256;

interface Entry extends Actor {
  readonly action: string;
  readonly status: number;
  readonly folders?: readonly string[];
  readonly handle?: FileHandle | undefined;
  readonly type?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly method?: string;
  readonly target?: string;
}

/** Writes a line for every change, every refusal, and every login that failed. */
export function auditObserver(log: AccessLog, now: () => Date = () => new Date()): Observer {
  const write = (entry: Entry): void => log.write(jsonLine(lineOf(now(), entry)));
  return {
    storageChanged: write,
    loginRefused: write,
    requestEnded: (request) => {
      if (!isRefusal(request.status) || request.isRefusalTold) return;
      const { user, clientAddress, status, method, target, address } = request;
      const resource = address?.resource;
      write({
        action: "refused",
        user,
        clientAddress,
        status,
        method,
        target,
        ...(address === undefined ? {} : { folders: address.folders }),
        handle: resource !== undefined && "handle" in resource ? resource.handle : undefined,
        type: resource?.kind === "list" ? resource.type : undefined,
      });
    },
  };
}

/** What has no value has no key. */
function lineOf(time: Date, entry: Entry): Readonly<Record<string, unknown>> {
  const { handle, folders, method, target } = entry;
  return {
    time: time.toISOString(),
    action: entry.action,
    user: shorten(entry.user),
    address: entry.clientAddress,
    repository: folders?.join("/"),
    type: handle?.type ?? entry.type,
    id: handle !== undefined && handle.type !== "config" ? handle.id : undefined,
    bytes: entry.sizeBytes,
    status: entry.status,
    method: method === undefined ? undefined : shorten(method),
    target: target === undefined ? undefined : shorten(target),
  };
}

function shorten(text: string): string {
  return text.length <= longestName ? text : `${text.slice(0, longestName)}…`;
}
