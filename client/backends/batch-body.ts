/** The body of a batch upload: multipart/form-data. Source: the section on batch uploads of docs/protocol.md. */
import { concatBytes, toHex, utf8Encode } from "../../shared/format/bytes.ts";
import { type ObjectHandle, partNameOf } from "../../shared/rest/batch.ts";
import { objectMediaType } from "../../shared/rest/media-types.ts";

export interface ObjectToSave {
  readonly handle: ObjectHandle;
  readonly body: Uint8Array;
}

export interface BatchBody {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** More than what the form adds to each object. */
export const partOverheadBytes = 512;

/** The objects' bytes are copied: they may change as soon as this returns. */
export function encodeBatchBody(objects: readonly ObjectToSave[]): BatchBody {
  // So much chance that no object has the boundary in it.
  const boundary = `coffer-${toHex(crypto.getRandomValues(new Uint8Array(24)))}`;
  const pieces = objects.flatMap(({ handle, body }, i) => {
    const disposition = `Content-Disposition: form-data; name="${partNameOf(handle)}"; filename="object"`;
    const head = `--${boundary}\r\n${disposition}\r\nContent-Type: ${objectMediaType}\r\n\r\n`;
    return [utf8Encode(i === 0 ? head : `\r\n${head}`), body];
  });
  const bytes = concatBytes(...pieces, utf8Encode(`\r\n--${boundary}--\r\n`));
  return { contentType: `multipart/form-data; boundary=${boundary}`, bytes };
}
