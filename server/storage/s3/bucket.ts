/** The calls on a bucket that the storage is made of, each repeated while the store is in a passing trouble. */
import { createHash } from "node:crypto";
import { CofferError, hasErrorCode } from "../../../shared/errors.ts";
import { type ListPage, readListPage } from "./list-page.ts";
import { type RetryPolicy, withRetries } from "./retry.ts";
import { failureOf } from "./store-error.ts";
import { discardBody, type RequestContent, type S3Answer, type S3Request, type Transport } from "./transport.ts";
import { type ElementHandler, readXml } from "./xml.ts";

/** How long a request may take as a whole, before its content. */
const baseDeadlineMs = 60_000;
/** Content gets more time, at the speed of a slow line: 256 KiB a second. */
const contentBytesPerMs = 262;
const pageObjects = 1_000;
const largestSettingBytes = 65_536;

/** What has a key of its own. */
export interface ObjectName {
  readonly key: string;
  /** For messages. */
  readonly name: string;
}

/** `exists` may be the work of an earlier attempt of the same call whose answer was lost: then it is doubtful. */
export type PutOutcome = { readonly kind: "stored" } | { readonly kind: "exists"; readonly isDoubtful: boolean };

export interface PutRules {
  /** Lets the store refuse to replace. */
  readonly onlyIfAbsent: boolean;
  /** Adds a Content-MD5: buckets with object lock ask for it. */
  readonly withMd5: boolean;
}

export interface BucketLimits {
  readonly retries: RetryPolicy;
  readonly deadlineMs?: number;
}

export class Bucket {
  readonly retries: RetryPolicy;
  readonly #transport: Transport;
  readonly #deadlineMs: number;

  constructor(transport: Transport, limits: BucketLimits) {
    this.#transport = transport;
    this.retries = limits.retries;
    this.#deadlineMs = limits.deadlineMs ?? baseDeadlineMs;
  }

  /** Throws `not-found`. */
  async headersOf(object: ObjectName): Promise<S3Answer["headers"]> {
    const request: S3Request = { method: "HEAD", key: object.key, action: `cannot find ${object.name}` };
    return this.#repeat(request, async ({ headers, body }) => {
      await discardBody(body);
      return headers;
    });
  }

  /** Throws `not-found`. */
  async size(object: ObjectName): Promise<number> {
    const length = (await this.headersOf(object))["content-length"];
    if (typeof length === "string" && /^\d{1,15}$/.test(length)) return Number(length);
    throw new CofferError("unavailable", `${object.name}: the storage told no size`);
  }

  async exists(object: ObjectName): Promise<boolean> {
    try {
      await this.headersOf(object);
      return true;
    } catch (error) {
      if (hasErrorCode(error, "not-found")) return false;
      throw error;
    }
  }

  /** The answer with its body, which is to be read or discarded. Throws `not-found` and `out-of-range`. */
  async open(object: ObjectName, headers: Readonly<Record<string, string>>): Promise<S3Answer> {
    const request: S3Request = { method: "GET", key: object.key, headers, action: `cannot read ${object.name}` };
    return this.#repeat(request, async (answer) => answer);
  }

  async put(object: ObjectName, content: RequestContent, rules: PutRules): Promise<PutOutcome> {
    const request = await putRequest(object, content, rules);
    let isDoubtful = false;
    return withRetries(this.retries, async () => {
      try {
        await this.#sendPut(request, content);
        return { kind: "stored" };
      } catch (error) {
        const failure = failureOf(error);
        if (rules.onlyIfAbsent && (await this.#isRefusedAsExisting(object, failure?.status))) {
          return { kind: "exists", isDoubtful };
        }
        isDoubtful ||= failure?.isDoubtful === true;
        throw error;
      }
    });
  }

  /** Without repeating anything, and without a condition. */
  async putOnce(object: ObjectName, content: RequestContent, rules: PutRules): Promise<void> {
    await this.#sendPut(await putRequest(object, content, rules), content);
  }

  async #sendPut(request: S3Request, { sizeBytes }: RequestContent): Promise<void> {
    const deadlineMs = this.#deadlineMs + sizeBytes / contentBytesPerMs;
    await this.#transport.send(request, deadlineMs, ({ body }) => discardBody(body));
  }

  /** 412 says that the object exists; 409 only that somebody else is just writing or removing it. */
  async #isRefusedAsExisting(object: ObjectName, status: number | undefined): Promise<boolean> {
    if (status === 412) return true;
    if (status !== 409) return false;
    if (await this.exists(object)) return true;
    const store = { status, isTransient: true, isDoubtful: false };
    throw new CofferError("unavailable", `${object.name} is just being written by another server`, { data: { store } });
  }

  /** An absent object is no error. */
  async remove(object: ObjectName, versionId?: string): Promise<void> {
    const request: S3Request = {
      method: "DELETE",
      key: object.key,
      ...(versionId === undefined ? {} : { query: { versionId } }),
      action: `cannot remove ${object.name}`,
    };
    try {
      await this.#repeat(request, ({ body }) => discardBody(body));
    } catch (error) {
      if (!hasErrorCode(error, "not-found")) throw error;
    }
  }

  /** A page of the objects whose keys begin with the prefix, in the order of their keys. */
  async list(prefix: string, continuation?: string, most: number = pageObjects): Promise<ListPage> {
    const query = {
      "list-type": "2",
      "encoding-type": "url",
      "max-keys": String(most),
      prefix,
      ...(continuation === undefined ? {} : { "continuation-token": continuation }),
    };
    const action = `cannot list ${JSON.stringify(prefix)}`;
    return this.#repeat({ method: "GET", key: "", query, action }, ({ body }) => readPage(action, body));
  }

  /** Reads the elements of a setting of the bucket. */
  async readSetting(name: string, onElement: ElementHandler): Promise<void> {
    const action = `cannot read the bucket's setting ${name}`;
    const request: S3Request = { method: "GET", key: "", query: { [name]: "" }, action };
    await this.#repeat(request, ({ body }) => readXml(body, largestSettingBytes, onElement));
  }

  /** Asks for the bucket itself, once, within a short time. */
  async ask(deadlineMs: number): Promise<void> {
    const request: S3Request = { method: "HEAD", key: "", action: "cannot reach the bucket" };
    try {
      await this.#transport.send(request, deadlineMs, ({ body }) => discardBody(body));
    } catch (error) {
      // A bucket that is not there is no reason to say that something else is not.
      throw new CofferError("unavailable", (error as Error).message, { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #repeat<Result>(request: S3Request, consume: (answer: S3Answer) => Promise<Result>): Promise<Result> {
    return withRetries(this.retries, () => this.#transport.send(request, this.#deadlineMs, consume));
  }
}

async function putRequest(object: ObjectName, content: RequestContent, rules: PutRules): Promise<S3Request> {
  return {
    method: "PUT",
    key: object.key,
    headers: {
      "content-type": "application/octet-stream",
      ...(rules.onlyIfAbsent ? { "if-none-match": "*" } : {}),
      ...(rules.withMd5 ? { "content-md5": await md5Of(content) } : {}),
    },
    body: content,
    action: `cannot store ${object.name}`,
  };
}

/** A list that is cut off is a failure of the line, whatever the reader of XML says about it. */
async function readPage(action: string, body: S3Answer["body"]): Promise<ListPage> {
  try {
    return await readListPage(body);
  } catch (error) {
    await discardBody(body);
    const store = { isTransient: !hasErrorCode(error, "limit-exceeded"), isDoubtful: false };
    throw new CofferError("unavailable", `${action}: ${(error as Error).message}`, { cause: error, data: { store } });
  }
}

async function md5Of(content: RequestContent): Promise<string> {
  const hash = createHash("md5");
  const body = content.open();
  if (body instanceof Uint8Array) return hash.update(body).digest("base64");
  for await (const chunk of body) hash.update(chunk);
  return hash.digest("base64");
}
