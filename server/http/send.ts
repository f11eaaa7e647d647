/** Sending stored content with back-pressure and without streams. */
import type { ServerResponse } from "node:http";
import { CofferError } from "../../shared/errors.ts";
import type { StoredContent } from "../storage/storage.ts";

/** Sends all chunks and ends the answer. Headers have been written. Throws `cancelled` when the client goes away. */
export async function sendContent(response: ServerResponse, content: StoredContent): Promise<void> {
  let restBytes = content.lengthBytes;
  for await (const chunk of content.chunks()) {
    restBytes -= chunk.length;
    if (restBytes === 0) return sendLast(response, chunk);
    await sendChunk(response, chunk);
  }
  response.end();
}

/** Resolves when the bytes have left this process, so that their memory can be used again. */
export function sendChunk(response: ServerResponse, chunk: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(clientGone(error)) : resolve()));
  });
}

/** One write less than a chunk and an end: that counts for small files. */
function sendLast(response: ServerResponse, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.off("finish", settle).off("close", settle);
      if (response.writableFinished) resolve();
      else reject(clientGone());
    };
    response.once("finish", settle).once("close", settle);
    response.end(chunk);
  });
}

function clientGone(cause?: unknown): CofferError {
  return new CofferError("cancelled", "the client went away during its download", { cause });
}
