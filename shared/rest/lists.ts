/**
 * The lists of the REST protocol: JSON arrays of names (version 1) or of names with sizes (version 2), without any white
 * space. Source: the section on listings of docs/protocol.md.
 */
import { CofferError } from "../errors.ts";
import { endOfObject, JsonCursor, JsonWords, unknownWord } from "../format/json-cursor.ts";
import { type Id, isId } from "../format/layout.ts";
import type { ProtocolVersion } from "./media-types.ts";

/** One file of a listing, as the server sends it. */
export interface ListEntry {
  readonly name: string;
  readonly sizeBytes: number;
}

/** One file of a listing, as the client reads it: version 1 does not tell sizes. */
export interface ListedFile {
  readonly id: Id;
  readonly sizeBytes?: number;
}

/**
 * Writes a list piece by piece, so that the server can send it while it still scans: for each entry the text to send, and
 * what ends the list. Names must be such that JSON needs no escapes, as ids are.
 */
export class ListEncoder {
  readonly #version: ProtocolVersion;
  #separator = "[";

  constructor(version: ProtocolVersion) {
    this.#version = version;
  }

  /** Throws `internal` for a name that is not an id. */
  encodeEntry(entry: ListEntry): string {
    if (!isId(entry.name))
      throw new CofferError("internal", `list expected a name of 64 hex digits, got ${entry.name}`);
    const separator = this.#separator;
    this.#separator = ",";
    if (this.#version === 1) return `${separator}"${entry.name}"`;
    return `${separator}{"name":"${entry.name}","size":${entry.sizeBytes}}`;
  }

  encodeEnd(): string {
    return this.#separator === "[" ? "[]" : "]";
  }
}

/** A whole list at once. */
export function encodeList(version: ProtocolVersion, entries: Iterable<ListEntry>): string {
  const encoder = new ListEncoder(version);
  let text = "";
  for (const entry of entries) text += encoder.encodeEntry(entry);
  return text + encoder.encodeEnd();
}

const entryKeys = new JsonWords("name", "size");

/**
 * The files of a list. Names that are not ids (temporary files, strangers) are left out; `null`, which old servers send
 * for an empty list, is one. Throws `malformed` on anything else that is not a list of this version.
 */
export function parseList(version: ProtocolVersion, body: Uint8Array): ListedFile[] {
  const cursor = new JsonCursor("list of files", body);
  const files: ListedFile[] = [];
  if (!cursor.readNull()) {
    cursor.enterArray();
    while (cursor.nextItem()) {
      const file = version === 1 ? { id: cursor.readString() } : readEntry(cursor);
      if (isId(file.id)) files.push(file);
    }
  }
  cursor.end();
  return files;
}

function readEntry(cursor: JsonCursor): ListedFile {
  let id: string | undefined;
  let sizeBytes: number | undefined;
  cursor.enterObject();
  for (let key = cursor.nextKey(entryKeys); key !== endOfObject; key = cursor.nextKey(entryKeys, key + 1)) {
    if (key === 0) id = cursor.readString();
    else if (key === 1) sizeBytes = cursor.readInteger(Number.MAX_SAFE_INTEGER);
    else if (key === unknownWord) cursor.skipValue();
  }
  if (id === undefined || sizeBytes === undefined) cursor.fail('an entry with "name" and "size"');
  return { id, sizeBytes };
}
