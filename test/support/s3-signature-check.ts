/** Verifies the signature of a request as a store does: from what came over the line, and on a way of its own. */
import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** What is wrong with a signature, or undefined. */
export function checkSignature(
  request: IncomingMessage,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
): string | undefined {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=(.+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const match = pattern.exec(request.headers.authorization ?? "");
  if (match === null) return `authorization header ${JSON.stringify(request.headers.authorization)}`;
  const [, accessKeyId, day = "", region = "", names = "", signature] = match;
  if (accessKeyId !== credentials.accessKeyId) return "unknown access key";
  const time = String(request.headers["x-amz-date"]);
  if (!time.startsWith(day)) return "the day is not that of x-amz-date";
  for (const name of Object.keys(request.headers)) {
    const mustBeSigned = name === "host" || name === "range" || name.startsWith("x-amz-") || name.startsWith("if-");
    if (mustBeSigned && !names.split(";").includes(name)) return `header ${name} is not signed`;
  }
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const pairs = query.split("&").filter((pair) => pair !== "");
  const headerLines = names.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical =
    `${request.method}\n${path}\n${pairs.sort().join("&")}\n${headerLines.join("")}\n` +
    `${names}\n${request.headers["x-amz-content-sha256"]}`;
  const hash = createHash("sha256").update(canonical).digest("hex");
  let key = createHmac("sha256", `AWS4${credentials.secretAccessKey}`).update(day).digest();
  for (const part of [region, "s3", "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  const text = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${hash}`;
  return createHmac("sha256", key).update(text).digest("hex") === signature ? undefined : "another signature";
}
