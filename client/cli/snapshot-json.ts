/** Snapshots as programs get them: the stored document, and the id in two lengths. */
import { encodeSnapshot } from "../../shared/format/snapshot.ts";
import type { StoredSnapshot } from "../repository/snapshots.ts";
import { type JsonMember, jsonObject } from "./output.ts";

export function snapshotJson(snapshot: StoredSnapshot): string {
  return snapshotJsonWith(snapshot, []);
}

/** The same with further members behind. */
export function snapshotJsonWith(snapshot: StoredSnapshot, members: readonly JsonMember[]): string {
  const ids: JsonMember[] = [
    ["id", `"${snapshot.id}"`],
    ["short_id", `"${snapshot.id.slice(0, 8)}"`],
  ];
  return `${encodeSnapshot(snapshot).slice(0, -1)},${jsonObject([...ids, ...members]).slice(1)}`;
}
