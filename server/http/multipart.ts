/** Bodies of multipart/form-data, taken apart by multer while they arrive. */
import type { IncomingHttpHeaders } from "node:http";
import { Readable, type Writable } from "node:stream";
import type { Request, Response } from "express";
import multer from "multer";
import { CofferError } from "../../shared/errors.ts";

/** Longer than any name that is meant. */
const nameCharacters = 100;

/** Who takes the parts of a body. */
export interface PartReceiver {
  /**
   * Takes the next part; called for each in their order, possibly before earlier ones have settled. Must read the content to its
   * end and must not reject. The content fails when the body ends too early.
   */
  receive(name: string, content: Readable): Promise<void>;
  /** A part that brings no file. It is passed over. */
  refuse(name: string): void;
  /** Resolves when more of the body may be read. Must not wait for a part whose content has not wholly arrived. */
  ready(): Promise<void>;
}

export interface MultipartBody {
  readonly headers: IncomingHttpHeaders;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface MultipartLimits {
  readonly parts: number;
  /** Of the body, with all that belongs to its form. */
  readonly totalBytes: number;
}

/**
 * Hands all parts to the receiver; resolves when it has dealt with each. Throws `malformed` for what is no such body,
 * `limit-exceeded`, and whatever the content throws; parts that came before are dealt with then too.
 */
export async function readParts(body: MultipartBody, limits: MultipartLimits, receiver: PartReceiver): Promise<void> {
  const received = new Set<Promise<void>>();
  const storage: multer.StorageEngine = {
    _handleFile: (_request, { fieldname, stream }, callback) => {
      const part = receiver.receive(fieldname, stream);
      received.add(part);
      part.then(() => callback(undefined, {}), callback);
    },
    // What was stored before something went wrong is whole and stays.
    _removeFile: (_request, _file, callback) => callback(null),
  };
  let isMultipart = false;
  const streamHandler = (request: Readable, parser: Writable): void => {
    isMultipart = true;
    // multer itself passes over such parts in silence.
    parser.on("file", (name: string | undefined, _content: Readable, { filename }: { filename?: string }) => {
      if (!filename) receiver.refuse(name ?? "");
    });
    request.pipe(parser, { end: false });
    // Ended, the parser would wait for all parts; for ever, if one begins behind the end of the form in the same chunk. Destroyed, it
    // fails when there is such a part, or no end of the form; parts that came whole can still be read.
    request.once("end", () => parser.write("", () => parser.destroy()));
  };
  const options = { storage, streamHandler, limits: { parts: limits.parts, fields: 0, fieldNameSize: nameCharacters } };
  // multer needs of a request its headers and that it is a stream. It gets a stream that ends at the limits, because it reads
  // what it refuses to the end, and that stops while the receiver is busy.
  const content = Readable.from(boundedContent(body.content, limits, receiver), { objectMode: false });
  const request = Object.assign(content, { headers: body.headers }) as unknown as Request;
  const failure = await new Promise<unknown>((resolve) => multer(options).any()(request, {} as Response, resolve));
  await Promise.all(received);
  content.destroy();
  if (failure !== undefined) throw describeFailure(failure);
  if (!isMultipart) throw new CofferError("malformed", "body expected multipart/form-data");
}

async function* boundedContent(
  content: AsyncIterable<Uint8Array>,
  { totalBytes }: MultipartLimits,
  receiver: PartReceiver,
): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > totalBytes) throw tooLong(totalBytes);
    yield chunk;
    await receiver.ready();
  }
}

/** The error for a body that is longer than the limit. */
export function tooLong(totalBytes: number): CofferError {
  return new CofferError("limit-exceeded", `body expected at most ${totalBytes} bytes; send less in each request`);
}

function describeFailure(failure: unknown): unknown {
  if (failure instanceof CofferError) return failure;
  if (failure instanceof multer.MulterError) {
    return failure.code === "LIMIT_PART_COUNT"
      ? new CofferError("limit-exceeded", "body has too many parts; send fewer in each request")
      : new CofferError("malformed", `body expected files only, each with a short name: ${failure.message}`);
  }
  // The parser's own errors have no class; what has one is a mistake of ours.
  if (failure instanceof Error && failure.constructor === Error) {
    return new CofferError("malformed", `body expected multipart/form-data: ${failure.message}`, { cause: failure });
  }
  return failure;
}
