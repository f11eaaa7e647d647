/** Objects: files that are named by the SHA-256 of their content. They can be read in parts. */
import { randomBytes } from "node:crypto";
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { objectMediaType } from "../../shared/rest/media-types.ts";
import { answerProblem } from "../http/answers.ts";
import { parseRanges } from "../http/byte-ranges.ts";
import { sendChunk, sendContent } from "../http/send.ts";
import { type ByteSelection, extentOf } from "../storage/selection.ts";
import type { StoredContent } from "../storage/storage.ts";
import { contentHeaders, fileMethods, removeFile, sendFileSize, storeFile } from "./file.ts";
import type { Exchange, Route } from "./route.ts";

export const objectRoute: Route<"object"> = {
  allow: fileMethods,
  methods: { HEAD: sendFileSize, GET: sendObject, POST: storeFile, DELETE: removeFile },
};

async function sendObject(exchange: Exchange<"object">): Promise<void> {
  if (hasConditions(exchange) && (await answerConditions(exchange))) return;
  try {
    // A range on condition of a validator that we never gave is a request for the whole.
    const { range, "if-range": condition } = exchange.request.headers;
    const selections = condition === undefined ? parseRanges(range) : undefined;
    if (selections === undefined || selections.length === 1) await sendOne(exchange, selections?.[0]);
    else await sendSeveral(exchange, selections);
  } catch (error) {
    if (!hasErrorCode(error, "out-of-range") || exchange.response.headersSent) throw error;
    await answerOutOfRange(exchange, error);
  }
}

async function sendOne({ response, storage, resource }: Exchange<"object">, selection?: ByteSelection): Promise<void> {
  const content = await storage.read(resource.handle, selection);
  try {
    const isPart = selection !== undefined && content.totalBytes > 0;
    response.writeHead(isPart ? 206 : 200, {
      ...contentHeaders,
      "Accept-Ranges": "bytes",
      "Content-Length": String(content.lengthBytes),
      ...(isPart ? { "Content-Range": contentRange(content) } : {}),
    });
    await sendContent(response, content);
  } finally {
    await content.close();
  }
}

/** Several ranges as the parts of one body. Those that lie outside are left out; asking for more than the whole gives the whole. */
async function sendSeveral(exchange: Exchange<"object">, selections: readonly ByteSelection[]): Promise<void> {
  const { response, storage, resource } = exchange;
  const totalBytes = await storage.stat(resource.handle);
  const extents = selections.map((selection) => extentOf(selection, totalBytes));
  const overlapping = selections.filter((_, i) => extents[i] !== undefined);
  const wantedBytes = extents.reduce((sum, extent) => sum + (extent?.lengthBytes ?? 0), 0);
  if (overlapping.length === 0) throw new CofferError("out-of-range", "no range overlaps", { data: { totalBytes } });
  if (wantedBytes > totalBytes || totalBytes === 0) return sendOne(exchange);
  if (overlapping.length === 1) return sendOne(exchange, overlapping[0]);
  const boundary = randomBytes(24).toString("hex");
  response.writeHead(206, {
    "Content-Type": `multipart/byteranges; boundary=${boundary}`,
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "bytes",
  });
  let separator = `--${boundary}`;
  for (const selection of overlapping) {
    const content = await storage.read(resource.handle, selection);
    try {
      const headers = `Content-Range: ${contentRange(content)}\r\nContent-Type: ${objectMediaType}`;
      await sendChunk(response, `${separator}\r\n${headers}\r\n\r\n`);
      for await (const chunk of content.chunks()) await sendChunk(response, chunk);
    } finally {
      await content.close();
    }
    separator = `\r\n--${boundary}`;
  }
  response.end(`\r\n--${boundary}--\r\n`);
}

function contentRange({ offsetBytes, lengthBytes, totalBytes }: StoredContent): string {
  return `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1}/${totalBytes}`;
}

/** A header that is no range at all gets its 416 only for an object that exists. */
async function answerOutOfRange(
  { response, storage, resource }: Exchange<"object">,
  error: CofferError,
): Promise<void> {
  const totalBytes = error.data["totalBytes"];
  if (totalBytes !== undefined) {
    const headers = { "Content-Range": `bytes */${totalBytes}` };
    return answerProblem(response, 416, headers, "invalid range: failed to overlap");
  }
  await storage.stat(resource.handle);
  answerProblem(response, 416, {}, "invalid range");
}

function hasConditions({ request }: Exchange<"object">): boolean {
  return request.headers["if-match"] !== undefined || request.headers["if-none-match"] !== undefined;
}

/** Objects have no validators, so only the asterisk matches. Returns true when the answer is given. */
async function answerConditions({ request, response, storage, resource }: Exchange<"object">): Promise<boolean> {
  await storage.stat(resource.handle);
  const { "if-match": match, "if-none-match": noneMatch } = request.headers;
  if (match !== undefined && match.trim() !== "*") {
    answerProblem(response, 412);
    return true;
  }
  if (noneMatch?.trim() !== "*") return false;
  response.writeHead(304);
  response.end();
  return true;
}
