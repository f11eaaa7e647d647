/**
 * What snapshots, locks and index files are before they are sealed: the JSON text itself in version 1, the byte 2 and a
 * zstd frame in version 2. Source: the section on documents outside packs of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import type { RepositoryVersion } from "./config.ts";
import { maxDocumentBytes } from "./limits.ts";
import type { CompressionMode, CompressionProvider } from "./provider.ts";

const compressedMark = 2;
const openingBrace = 0x7b;
const openingBracket = 0x5b;

/** The plaintext to be sealed. Documents of version 2 are compressed in every mode, `off` included, as restic does. */
export function encodeDocument(
  json: Uint8Array,
  version: RepositoryVersion,
  compression: CompressionProvider,
  mode: CompressionMode = "auto",
): Uint8Array {
  if (json[0] !== openingBrace) throw new CofferError("internal", "document expected a JSON object to encode");
  if (version === 1) return json;
  const frame = compression.compress(json, mode);
  const plaintext = new Uint8Array(1 + frame.length);
  plaintext[0] = compressedMark;
  plaintext.set(frame, 1);
  return plaintext;
}

/**
 * The JSON bytes, not parsed. Plain JSON is accepted in version 2 too: repositories that began as version 1 have it.
 * Throws `malformed` on any other first byte and on damaged frames, `unsupported` on a compressed document in version 1,
 * `limit-exceeded` when the text would be longer than `limitBytes`.
 */
export function decodeDocument(
  plaintext: Uint8Array,
  version: RepositoryVersion,
  compression: CompressionProvider,
  limitBytes: number = maxDocumentBytes,
): Uint8Array {
  const first = plaintext[0];
  if (first === openingBrace || first === openingBracket) {
    if (plaintext.length <= limitBytes) return plaintext;
    throw new CofferError("limit-exceeded", `document expected at most ${limitBytes} bytes, got ${plaintext.length}`);
  }
  if (first !== compressedMark) {
    throw new CofferError("malformed", `document expected JSON or a compressed document, got first byte ${first}`);
  }
  if (version === 1) throw new CofferError("unsupported", "document is compressed, which version 1 does not know");
  return compression.decompress(plaintext.subarray(1), limitBytes);
}
