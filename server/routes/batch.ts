/** Many small objects in one request: on a line with a high latency each request costs more than its bytes. */
import { hasErrorCode } from "../../shared/errors.ts";
import { type BatchLimits, encodeBatchAnswer } from "../../shared/rest/batch.ts";
import { answerProblem } from "../http/answers.ts";
import { readParts, tooLong } from "../http/multipart.ts";
import { BatchParts } from "./batch-parts.ts";
import type { Exchange, Route } from "./route.ts";

/** What one request may bring. */
export const batchLimits: BatchLimits = { parts: 1000, partBytes: 4_194_304, totalBytes: 16_777_216 };

export const batchRoute: Route<"batch"> = { allow: "POST", methods: { POST: storeBatch } };

async function storeBatch({ request, response, storage }: Exchange<"batch">): Promise<void> {
  const { body, reportFailure } = response.locals;
  const parts = new BatchParts({ storage, limits: batchLimits, reportFailure });
  try {
    // A length that is told says at once what else would be found out at the end.
    if (Number(request.headers["content-length"]) > batchLimits.totalBytes) throw tooLong(batchLimits.totalBytes);
    await readParts({ headers: request.headers, content: body }, batchLimits, parts);
  } catch (error) {
    // Whoever makes such requests by hand needs to know what is wrong with them.
    if (hasErrorCode(error, "malformed")) return answerProblem(response, 400, {}, error.message);
    if (hasErrorCode(error, "limit-exceeded")) return answerProblem(response, 413, {}, error.message);
    throw error;
  }
  const answer = encodeBatchAnswer(parts.results);
  response.writeHead(200, {
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    "Content-Length": String(Buffer.byteLength(answer)),
  });
  response.end(answer);
}
