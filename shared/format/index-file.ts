/**
 * Index files: which pack holds which blob, and where. Source: the section on index files of docs/format.md. The order of
 * packs and blobs means nothing, and unknown keys (`supersedes` of old versions among them) are ignored.
 */
import { CofferError } from "../errors.ts";
import { toHex } from "./bytes.ts";
import { endOfObject, JsonCursor, JsonWords, unknownWord } from "./json-cursor.ts";
import type { Id } from "./layout.ts";
import type { BlobType, PackEntry } from "./pack.ts";

/** One pack and the blobs in it. */
export interface IndexPack {
  readonly id: Id;
  readonly blobs: readonly PackEntry[];
}

/** Told of each pack before its blobs. `id` is 32 bytes in memory that the next call overwrites. */
export type IndexPackVisitor = (id: Uint8Array) => void;

/**
 * Told of each blob. `id` is 32 bytes in memory that the next call overwrites; `uncompressedBytes` is 0 for a blob that
 * is not compressed.
 */
export type IndexBlobVisitor = (
  type: BlobType,
  id: Uint8Array,
  offsetBytes: number,
  lengthBytes: number,
  uncompressedBytes: number,
) => void;

const idBytes = 32;
const maxUint32 = 0xffff_ffff;
const what = "index";
const encoder = new TextEncoder();

/** The JSON text, with the newline that restic ends it with; it still has to be packed by `encodeDocument`. */
export function encodeIndex(packs: Iterable<IndexPack>): Uint8Array {
  const texts: string[] = [];
  for (const pack of packs) {
    const blobs = pack.blobs.map(encodeBlob);
    texts.push(`{"id":"${pack.id}","blobs":[${blobs.join(",")}]}`);
  }
  return encoder.encode(`{"packs":[${texts.join(",")}]}\n`);
}

function encodeBlob(blob: PackEntry): string {
  const uncompressed = blob.uncompressedBytes === 0 ? "" : `,"uncompressed_length":${blob.uncompressedBytes}`;
  return `{"id":"${blob.id}","type":"${blob.type}","offset":${blob.offsetBytes},"length":${blob.lengthBytes}${uncompressed}}`;
}

/** The whole document as objects. Throws as `visitIndex` does. */
export function parseIndex(document: Uint8Array): { packs: IndexPack[] } {
  const packs: { id: Id; blobs: PackEntry[] }[] = [];
  let blobs: PackEntry[] = [];
  visitIndex(
    document,
    (id) => {
      blobs = [];
      packs.push({ id: toHex(id), blobs });
    },
    (type, id, offsetBytes, lengthBytes, uncompressedBytes) => {
      blobs.push({ type, id: toHex(id), offsetBytes, lengthBytes, uncompressedBytes });
    },
  );
  return { packs };
}

/**
 * Reads an index without making an object of anything, so that millions of blobs cost no memory. What was visited
 * before an error stays visited. Throws `malformed` on anything that is not an index, `unsupported` on the top-level
 * array that versions before 0.2 wrote.
 */
export function visitIndex(document: Uint8Array, onPack: IndexPackVisitor, onBlob: IndexBlobVisitor): void {
  if (document[0] === 0x5b) {
    throw new CofferError(
      "unsupported",
      "index has the form of restic before 0.2; rebuild the index with `repair index`",
    );
  }
  new IndexReader(document, onPack, onBlob).read();
}

const documentKeys = new JsonWords("packs");
const packKeys = new JsonWords("id", "blobs");
const blobKeys = new JsonWords("id", "type", "offset", "length", "uncompressed_length");
const blobTypes = new JsonWords("data", "tree");

class IndexReader {
  readonly #document: Uint8Array;
  readonly #cursor: JsonCursor;
  readonly #onPack: IndexPackVisitor;
  readonly #onBlob: IndexBlobVisitor;
  readonly #packId = new Uint8Array(idBytes);
  readonly #blobId = new Uint8Array(idBytes);

  constructor(document: Uint8Array, onPack: IndexPackVisitor, onBlob: IndexBlobVisitor) {
    this.#document = document;
    this.#cursor = new JsonCursor(what, document);
    this.#onPack = onPack;
    this.#onBlob = onBlob;
  }

  read(): void {
    const cursor = this.#cursor;
    cursor.enterObject();
    for (let key = cursor.nextKey(documentKeys); key !== endOfObject; key = cursor.nextKey(documentKeys)) {
      if (key === unknownWord) cursor.skipValue();
      else this.#readPacks();
    }
    cursor.end();
  }

  #readPacks(): void {
    const cursor = this.#cursor;
    if (cursor.readNull()) return;
    cursor.enterArray();
    while (cursor.nextItem()) this.#readPack();
  }

  #readPack(): void {
    const cursor = this.#cursor;
    let hasId = false;
    /** Where blobs begin that came before the id of their pack. */
    let postponed = -1;
    cursor.enterObject();
    for (let key = cursor.nextKey(packKeys); key !== endOfObject; key = cursor.nextKey(packKeys, key + 1)) {
      if (key === 0) {
        cursor.readId(this.#packId);
        hasId = true;
        this.#onPack(this.#packId);
      } else if (key === 1 && hasId) {
        this.#readBlobs(cursor);
      } else {
        if (key === 1) postponed = cursor.offset;
        cursor.skipValue();
      }
    }
    if (!hasId) cursor.fail('a pack with an "id"');
    if (postponed >= 0) this.#readBlobs(new JsonCursor(what, this.#document, postponed));
  }

  #readBlobs(cursor: JsonCursor): void {
    if (cursor.readNull()) return;
    cursor.enterArray();
    while (cursor.nextItem()) this.#readBlob(cursor);
  }

  #readBlob(cursor: JsonCursor): void {
    let seen = 0;
    let type: BlobType = "data";
    let offsetBytes = 0;
    let lengthBytes = 0;
    let uncompressedBytes = 0;
    cursor.enterObject();
    for (let key = cursor.nextKey(blobKeys); key !== endOfObject; key = cursor.nextKey(blobKeys, key + 1)) {
      if (key === 0) cursor.readId(this.#blobId);
      else if (key === 1) type = readBlobType(cursor);
      else if (key === 2) offsetBytes = cursor.readInteger(maxUint32);
      else if (key === 3) lengthBytes = cursor.readInteger(maxUint32);
      else if (key === 4) uncompressedBytes = cursor.readInteger(maxUint32);
      else cursor.skipValue();
      if (key >= 0) seen |= 1 << key;
    }
    if ((seen & 0b1111) !== 0b1111) cursor.fail('a blob with "id", "type", "offset" and "length"');
    this.#onBlob(type, this.#blobId, offsetBytes, lengthBytes, uncompressedBytes);
  }
}

function readBlobType(cursor: JsonCursor): BlobType {
  const type = cursor.readWord(blobTypes);
  if (type === unknownWord) cursor.fail('the type "data" or "tree"');
  return type === 0 ? "data" : "tree";
}
