/**
 * A repository on a REST server: rest-server, Coffer's own, rclone. Protocol: docs/protocol.md. Works over any
 * HttpTransport, so also in a browser. Knows nothing of retries, limits and caches: those are wrappers.
 */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { describeHandle, type FileHandle, type FileType } from "../../shared/format/layout.ts";
import {
  type BatchLimits,
  batchPath,
  capabilitiesHeader,
  parseBatchAnswer,
  parseBatchCapability,
  partNameOf,
} from "../../shared/rest/batch.ts";
import { type ListedFile, parseList } from "../../shared/rest/lists.ts";
import { listMediaTypes, listVersionOf, objectMediaType } from "../../shared/rest/media-types.ts";
import type { Backend, ByteRange, FileInfo, LoadOptions } from "./backend.ts";
import { encodeBatchBody, type ObjectToSave } from "./batch-body.ts";
import type { BatchSender } from "./batching.ts";
import { throwIfCancelled } from "./cancellation.ts";
import { checkHandle, checkRange, lengthInFile, memoryFor, notFound, outOfRange } from "./ranges.ts";
import { errorOfStatus } from "./rest-status.ts";
import type { HttpRequest, HttpResponse, HttpTransport, Lane } from "./transport.ts";

/** Longer than any file that the format makes, and than the list of ten million packs. */
const limitBytes = 1024 * 1024 * 1024;

export interface RestBackendOptions {
  readonly transport: HttpTransport;
  /** For messages, without a password. */
  readonly location: string;
  /** The repository's path on the server, escaped, beginning and ending with "/". */
  readonly basePath: string;
  /** Sent with each request: credentials, user agent. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
}

/** What each operation adds to a request. */
interface RequestParts {
  readonly method: HttpRequest["method"];
  readonly path: string;
  readonly lane: Lane;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly memoryFor?: NonNullable<HttpRequest["memoryFor"]>;
  readonly signal: AbortSignal | undefined;
}

export class RestBackend implements Backend, BatchSender {
  readonly location: string;
  readonly connections: number;
  readonly hasAtomicReplace: boolean = false;
  readonly #transport: HttpTransport;
  readonly #basePath: string;
  readonly #headers: Readonly<Record<string, string>>;
  #batchLimits: BatchLimits | undefined;

  constructor(options: RestBackendOptions) {
    this.location = options.location;
    this.connections = options.connections;
    this.#transport = options.transport;
    this.#basePath = options.basePath;
    this.#headers = { ...options.headers, accept: listMediaTypes[2] };
  }

  /** Our servers tell it with every answer about the configuration, which every command asks for first. */
  get batchLimits(): BatchLimits | undefined {
    return this.#batchLimits;
  }

  async create(signal?: AbortSignal): Promise<void> {
    const response = await this.#send({
      method: "POST",
      path: "?create=true",
      lane: "files",
      headers: { "content-type": "binary/octet-stream" },
      body: new Uint8Array(0),
      signal,
    });
    if (response.status !== 200) throw errorOfStatus(response, `the repository at ${this.location}`);
  }

  async list(type: FileType, signal?: AbortSignal): Promise<FileInfo[]> {
    const response = await this.#send({ method: "GET", path: `${type}/`, lane: laneOf(type), signal });
    if (response.status === 404 && !isRclone(response)) return [];
    if (response.status === 404) {
      // rclone answers an absent folder with an empty list, so this is some other failure: never "no files".
      throw new CofferError("unavailable", `list of ${type}: the server answers 404 although it could list the folder`);
    }
    if (response.status !== 200) throw errorOfStatus(response, `list of ${type}`);
    const files = filesOf(response, type);
    return files.every(hasSize) ? files : this.#sizesOf(type, files, signal);
  }

  async stat(handle: FileHandle, signal?: AbortSignal): Promise<number> {
    checkHandle(handle);
    const response = await this.#send({ method: "HEAD", path: pathOf(handle), lane: laneOf(handle.type), signal });
    if (response.status !== 200) throw errorOfFile(response, handle);
    if (response.lengthBytes === undefined) {
      throw new CofferError("unavailable", `${describeHandle(handle)}: the server does not say how long the file is`);
    }
    return response.lengthBytes;
  }

  async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    checkHandle(handle);
    const { range, into, signal } = options;
    checkRange(range);
    const response = await this.#send({
      method: "GET",
      path: pathOf(handle),
      lane: laneOf(handle.type),
      ...(range === undefined ? {} : { headers: { range: rangeHeader(range) } }),
      memoryFor: ({ status, lengthBytes }) => {
        const isWhole = range === undefined || status === 206;
        if (!isWhole || into === undefined) return undefined;
        // A part that is shorter than asked for is refused before its bytes are taken, a longer one too.
        if (range?.lengthBytes !== undefined && lengthBytes !== undefined && lengthBytes !== range.lengthBytes) {
          throw outOfRange(handle, range);
        }
        return lengthBytes === undefined ? into : memoryFor(handle, lengthBytes, into);
      },
      signal,
    });
    return bodyOf(response, handle, options);
  }

  async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    const response = await this.#send({
      method: "POST",
      path: pathOf(handle),
      lane: laneOf(handle.type),
      headers: { "content-type": objectMediaType },
      body,
      signal,
    });
    if (response.status === 200) return;
    // 403 says either "exists" or "you may not"; only the file itself can tell.
    if (response.status === 403 && (await this.#exists(handle, signal))) {
      throw new CofferError("already-exists", `${describeHandle(handle)} exists and is not overwritten`);
    }
    throw errorOfFile(response, handle);
  }

  async saveBatch(objects: readonly ObjectToSave[], signal: AbortSignal): Promise<readonly boolean[]> {
    const { contentType, bytes } = encodeBatchBody(objects);
    const response = await this.#send({
      method: "POST",
      path: batchPath,
      lane: "files",
      headers: { "content-type": contentType },
      body: bytes,
      signal,
    });
    if (response.status !== 200) throw errorOfStatus(response, `a batch of ${objects.length} files`);
    const results = parseBatchAnswer(response.body);
    return objects.map(({ handle }, i) => results[i]?.name === partNameOf(handle) && results[i].status === 200);
  }

  async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    const response = await this.#send({ method: "DELETE", path: pathOf(handle), lane: laneOf(handle.type), signal });
    // Most servers answer 200 for an absent file, rclone 404.
    if (response.status !== 200 && response.status !== 404) throw errorOfFile(response, handle);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #send(parts: RequestParts): Promise<HttpResponse> {
    throwIfCancelled(parts.signal);
    const { headers, path, signal, ...others } = parts;
    const response = await this.#transport.request({
      ...others,
      path: this.#basePath + path,
      headers: headers === undefined ? this.#headers : { ...this.#headers, ...headers },
      limitBytes,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#batchLimits ??= parseBatchCapability(response.headers[capabilitiesHeader]);
    return response;
  }

  async #exists(handle: FileHandle, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.stat(handle, signal);
      return true;
    } catch (error) {
      if (hasErrorCode(error, "not-found", "forbidden")) return false;
      throw error;
    }
  }

  /** Protocol v1 lists names only: one HEAD each, as many at a time as there are connections. */
  async #sizesOf(type: FileType, files: readonly ListedFile[], signal: AbortSignal | undefined): Promise<FileInfo[]> {
    const found: FileInfo[] = [];
    const queue = files.values();
    const worker = async (): Promise<void> => {
      for (const { id } of queue) {
        try {
          found.push({ id, sizeBytes: await this.stat({ type, id }, signal) });
        } catch (error) {
          // Deleted since the list was made.
          if (!hasErrorCode(error, "not-found")) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: this.connections }, worker));
    return found;
  }
}

/** A file's path below the repository's: without the two-digit folders that packs have on disk. */
function pathOf(handle: FileHandle): string {
  return handle.type === "config" ? "config" : `${handle.type}/${handle.id}`;
}

function laneOf(type: FileHandle["type"]): Lane {
  return type === "locks" ? "locks" : "files";
}

function rangeHeader({ offsetBytes, lengthBytes }: ByteRange): string {
  return `bytes=${offsetBytes}-${lengthBytes === undefined ? "" : offsetBytes + lengthBytes - 1}`;
}

function isRclone(response: HttpResponse): boolean {
  return response.headers["server"]?.startsWith("rclone/") ?? false;
}

function errorOfFile(response: HttpResponse, handle: FileHandle): CofferError {
  return response.status === 404 ? notFound(handle) : errorOfStatus(response, describeHandle(handle));
}

/** The bytes that were asked for, out of what the server sent; throws rather than return fewer. */
function bodyOf(response: HttpResponse, handle: FileHandle, { range, into }: LoadOptions): Uint8Array {
  const { status, body } = response;
  if (status === 416 && range !== undefined) throw outOfRange(handle, range);
  if (status !== 200 && status !== 206) throw errorOfFile(response, handle);
  if (response.lengthBytes !== undefined && response.lengthBytes !== body.length) {
    const message = `${describeHandle(handle)}: expected ${response.lengthBytes} bytes, got ${body.length}`;
    throw new CofferError("unavailable", message);
  }
  if (range !== undefined && status === 200) {
    // Servers may ignore a range, above all for `config`, and for files without any byte.
    const lengthBytes = lengthInFile(handle, range, body.length);
    const memory = memoryFor(handle, lengthBytes, into);
    memory.set(body.subarray(range.offsetBytes, range.offsetBytes + lengthBytes));
    return memory;
  }
  if (range !== undefined) checkPart(response, handle, range);
  return body;
}

/** A clipped part, or one that rclone makes of a range outside the file, is an error. */
function checkPart(response: HttpResponse, handle: FileHandle, range: ByteRange): void {
  const { body, headers } = response;
  const start = /^bytes (\d+)-/.exec(headers["content-range"] ?? "")?.[1];
  const isWrongStart = start !== undefined && Number(start) !== range.offsetBytes;
  const isWrongLength = range.lengthBytes === undefined ? body.length === 0 : body.length !== range.lengthBytes;
  if (isWrongStart || isWrongLength) throw outOfRange(handle, range);
}

/** Files whose names are ids, each once. A body that is no list is `unavailable`: it was cut, or is some proxy's page. */
function filesOf(response: HttpResponse, type: FileType): ListedFile[] {
  // A proxy may add parameters; what comes before them says the version.
  const mediaType = response.headers["content-type"]?.split(";")[0]?.trim();
  try {
    const files = parseList(listVersionOf(mediaType), response.body);
    return [...new Map(files.map((file) => [file.id, file])).values()];
  } catch (cause) {
    throw new CofferError("unavailable", `list of ${type}: the answer is no list of files; it may have been cut`, {
      cause,
    });
  }
}

function hasSize(file: ListedFile): file is FileInfo {
  return file.sizeBytes !== undefined;
}
