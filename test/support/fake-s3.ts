/**
 * A small S3-compatible store in this process, strict about what the real ones are strict about, and able to fail in all the ways in
 * which they do. Its objects are gone when it stops.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { checkSignature } from "./s3-signature-check.ts";

const fakeBucket = "bucket";
const fakeCredentials = { accessKeyId: "tester", secretAccessKey: "secret of the tester" };

/** What can go wrong with a request. */
export type Fault =
  /** 503 SlowDown without reading anything. */
  | "busy"
  /** The connection is reset before anything is done. */
  | "reset"
  /** Everything is done, then the connection is reset instead of an answer. */
  | "lost-answer"
  /** The answer announces its whole length, and the connection ends in the middle. */
  | "cut"
  /** The answer is whole as HTTP goes, but has only the first half of the bytes. */
  | "short"
  /** No answer, ever. */
  | "hang"
  /** The head of the answer, half of the body, then nothing. */
  | "stall"
  /** 409, as if another request for the same key were running. */
  | "conflict"
  /** The first byte of the body that arrives is flipped. */
  | "flipped"
  /** 403 QuotaExceeded. */
  | "quota"
  /** 404 NoSuchBucket. */
  | "no-bucket"
  /** 403 AccessDenied. */
  | "denied"
  /** 200 with a page of HTML, as a captive portal would give. */
  | "portal"
  /** Another object has taken the place of this one. */
  | "replaced";

export interface FakeS3Settings {
  /** What `If-None-Match: *` does. */
  readonly conditionalPut?: "enforced" | "refused" | "ignored";
  readonly verifiesContent?: boolean;
  /** `claimed`: the bucket has the setting, but versions can be deleted. */
  readonly objectLock?: "none" | "claimed" | "enforced";
  readonly pageObjects?: number;
  readonly sendsEntityTags?: boolean;
  readonly ignoresRanges?: boolean;
  /** Lists never show what was stored: a store that is consistent only in the end. */
  readonly listsLag?: boolean;
}

interface StoredObject {
  readonly content: Buffer;
  readonly entityTag: string;
  readonly version: string;
}

export interface SeenRequest {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

interface PlannedFault {
  readonly fault: Fault;
  readonly applies: (request: SeenRequest) => boolean;
  times: number;
}

export class FakeS3 {
  readonly objects: Map<string, StoredObject> = new Map();
  readonly requests: SeenRequest[] = [];
  connections = 0;
  readonly #settings: Required<FakeS3Settings>;
  readonly #faults: PlannedFault[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #serial = 0;

  private constructor(settings: FakeS3Settings) {
    this.#settings = {
      conditionalPut: "enforced",
      verifiesContent: true,
      objectLock: "none",
      pageObjects: 1_000,
      sendsEntityTags: true,
      ignoresRanges: false,
      listsLag: false,
      ...settings,
    };
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(settings: FakeS3Settings = {}): Promise<FakeS3> {
    const store = new FakeS3(settings);
    store.#server.listen(0, "127.0.0.1");
    await once(store.#server, "listening");
    return store;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As `--storage` takes it. */
  get location(): string {
    return `s3:${this.origin}/${fakeBucket}`;
  }

  get environment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = fakeCredentials;
    return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  }

  /** The next requests that the filter takes fail in this way. */
  inject(fault: Fault, times: number, applies: (request: SeenRequest) => boolean = () => true): void {
    this.#faults.push({ fault, applies, times });
  }

  /** Faults that were injected, but have not happened yet. */
  get pendingFaults(): number {
    return this.#faults.reduce((sum, { times }) => sum + times, 0);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake");
    const [, bucket = "", ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const seen = { method: request.method ?? "", key, query: url.searchParams, headers: request.headers };
    this.requests.push(seen);
    try {
      await this.#answer(request, response, seen, bucket);
    } catch {
      // The client has gone.
      response.destroy();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, seen: SeenRequest, bucket: string): Promise<void> {
    const problem = checkSignature(request, fakeCredentials);
    if (problem !== undefined) return refuse(response, 403, "SignatureDoesNotMatch", problem);
    const fault = this.#takeFault(seen);
    if (fault === "reset") return void request.socket.resetAndDestroy();
    if (fault === "hang") return;
    if (fault === "busy") return refuse(response, 503, "SlowDown", "later");
    if (fault === "conflict") return refuse(response, 409, "ConditionalRequestConflict", "somebody else is writing");
    if (fault === "quota") return refuse(response, 403, "QuotaExceeded", "no more");
    if (fault === "denied") return refuse(response, 403, "AccessDenied", "no");
    if (fault === "portal") return void response.writeHead(200).end("<html><p>Please log in<br></html>");
    if (fault === "no-bucket" || bucket !== fakeBucket) return refuse(response, 404, "NoSuchBucket", bucket);
    if (seen.key === "") return this.#answerBucket(response, seen, fault);
    if (seen.method === "PUT") return this.#put(request, response, seen, fault);
    if (seen.method === "DELETE") return this.#delete(response, seen);
    return this.#get(response, seen, fault);
  }

  #takeFault(request: SeenRequest): Fault | undefined {
    const found = this.#faults.find(({ times, applies }) => times > 0 && applies(request));
    if (found === undefined) return undefined;
    found.times -= 1;
    return found.fault;
  }

  async #put(request: IncomingMessage, response: ServerResponse, seen: SeenRequest, fault?: Fault): Promise<void> {
    const { "content-length": length, "content-md5": md5 } = request.headers;
    const isConditional = request.headers["if-none-match"] === "*";
    const { conditionalPut, verifiesContent, objectLock } = this.#settings;
    if (length === undefined) return refuse(response, 411, "MissingContentLength", "a length is needed");
    if (isConditional && conditionalPut === "refused") return refuse(response, 501, "NotImplemented", "no conditions");
    if (objectLock !== "none" && md5 === undefined) return refuse(response, 400, "InvalidRequest", "no Content-MD5");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const content = Buffer.concat(chunks);
    if (fault === "flipped") content[0] = (content[0] ?? 0) ^ 1;
    const digest = createHash("sha256").update(content).digest("hex");
    if (verifiesContent && digest !== request.headers["x-amz-content-sha256"]) {
      return refuse(response, 400, "XAmzContentSHA256Mismatch", "the content is another one");
    }
    const hash = createHash("md5").update(content).digest();
    if (md5 !== undefined && hash.toString("base64") !== md5) return refuse(response, 400, "BadDigest", "MD5");
    if (isConditional && conditionalPut === "enforced" && this.objects.has(seen.key)) {
      return refuse(response, 412, "PreconditionFailed", "it exists");
    }
    this.#serial += 1;
    this.objects.set(seen.key, { content, entityTag: `"${hash.toString("hex")}"`, version: `v${this.#serial}` });
    if (fault === "lost-answer") return void request.socket.resetAndDestroy();
    response.writeHead(200, { "Content-Length": "0" }).end();
  }

  async #delete(response: ServerResponse, { key, query }: SeenRequest): Promise<void> {
    if (this.#settings.objectLock === "enforced" && query.has("versionId")) {
      return refuse(response, 403, "AccessDenied", "the version is locked");
    }
    this.objects.delete(key);
    response.writeHead(204).end();
  }

  async #get(response: ServerResponse, seen: SeenRequest, fault?: Fault): Promise<void> {
    if (fault === "replaced") this.#replace(seen.key);
    const object = this.objects.get(seen.key);
    if (object === undefined) return refuse(response, 404, "NoSuchKey", seen.key);
    const match = seen.headers["if-match"];
    if (match !== undefined && match !== object.entityTag)
      return refuse(response, 412, "PreconditionFailed", "changed");
    const total = object.content.length;
    const range = this.#settings.ignoresRanges ? undefined : parseRange(seen.headers.range, total);
    if (range === "unsatisfiable") return refuse(response, 416, "InvalidRange", "outside");
    const { first, last } = range ?? { first: 0, last: total - 1 };
    const content = object.content.subarray(first, last + 1);
    const isShort = fault === "short";
    response.writeHead(range === undefined ? 200 : 206, {
      "Content-Length": String(isShort ? content.length >> 1 : content.length),
      ...(range === undefined ? {} : { "Content-Range": `bytes ${first}-${last}/${total}` }),
      ...(this.#settings.sendsEntityTags ? { ETag: object.entityTag } : {}),
      ...(this.#settings.objectLock === "none" ? {} : { "x-amz-version-id": object.version }),
    });
    if (seen.method === "HEAD") return void response.end();
    const half = content.subarray(0, content.length >> 1);
    if (isShort) return void response.end(half);
    if (fault !== "cut" && fault !== "stall") return void response.end(content);
    response.write(half, () => {
      if (fault === "cut") response.socket?.resetAndDestroy();
    });
  }

  #replace(key: string): void {
    const content = Buffer.from("another object");
    this.objects.set(key, { content, entityTag: '"another"', version: "another" });
  }

  async #answerBucket(response: ServerResponse, { method, query }: SeenRequest, fault?: Fault): Promise<void> {
    if (method === "HEAD") return void response.writeHead(200).end();
    if (query.has("object-lock")) return this.#answerLockSetting(response);
    if (query.get("list-type") !== "2") return refuse(response, 400, "InvalidRequest", "only version 2 of lists");
    const body = Buffer.from(this.#page(query));
    response.writeHead(200, { "Content-Type": "application/xml", "Content-Length": String(body.length) });
    if (fault !== "cut") return void response.end(body);
    response.write(body.subarray(0, body.length >> 1), () => response.socket?.resetAndDestroy());
  }

  async #answerLockSetting(response: ServerResponse): Promise<void> {
    if (this.#settings.objectLock === "none") {
      return refuse(response, 404, "ObjectLockConfigurationNotFoundError", "none");
    }
    const retention = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>";
    const setting = `<ObjectLockEnabled>Enabled</ObjectLockEnabled>${retention}`;
    response.writeHead(200).end(`<ObjectLockConfiguration>${setting}</ObjectLockConfiguration>`);
  }

  #page(query: URLSearchParams): string {
    const prefix = query.get("prefix") ?? "";
    const after = Buffer.from(query.get("continuation-token") ?? "", "base64").toString();
    const most = Math.min(Number(query.get("max-keys") ?? 1_000), this.#settings.pageObjects);
    const known = this.#settings.listsLag ? [] : [...this.objects.keys()];
    const keys = known.filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, most);
    const isTruncated = keys.length > page.length;
    const entries = page.map((key) => {
      const size = this.objects.get(key)?.content.length ?? 0;
      return `<Contents><Key>${escapeKey(key)}</Key><Size>${size}</Size><ETag>&quot;x&quot;</ETag></Contents>`;
    });
    const token = Buffer.from(page.at(-1) ?? "").toString("base64");
    const next = isTruncated ? `<NextContinuationToken>${token}</NextContinuationToken>` : "";
    const content = `<EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>${next}${entries.join("")}`;
    const space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
    return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult ${space}>${content}</ListBucketResult>`;
  }
}

/** As AWS writes keys into lists when asked for escapes. */
function escapeKey(key: string): string {
  return encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+");
}

function parseRange(
  header: string | undefined,
  total: number,
): { readonly first: number; readonly last: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    const length = Math.min(Number(last), total);
    return length === 0 ? "unsatisfiable" : { first: total - length, last: total - 1 };
  }
  if (Number(first) >= total) return "unsatisfiable";
  return { first: Number(first), last: last === "" ? total - 1 : Math.min(Number(last), total - 1) };
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  response.writeHead(status, { "Content-Type": "application/xml" }).end(text);
}
