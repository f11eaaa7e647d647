/** What a store refuses, as errors of the Storage port. */
import { CofferError, type ErrorCode } from "../../../shared/errors.ts";
import { readXml } from "./xml.ts";

/** Larger answers than this are not errors of S3. */
const largestErrorBytes = 65_536;

/** The words of several stores for "no room left" and "quota used up". */
const noRoom: ReadonlySet<string> = new Set([
  "QuotaExceeded",
  "EntityTooLarge",
  "InsufficientStorage",
  "XMinioStorageFull",
  "XMinioAdminBucketQuotaExceeded",
  "StorageFull",
]);
/** The body that arrived is not the one that was announced. */
const bodyDamaged: ReadonlySet<string> = new Set([
  "XAmzContentSHA256Mismatch",
  "BadDigest",
  "InvalidDigest",
  "IncompleteBody",
]);
const transientStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const transientCodes: ReadonlySet<string> = new Set([
  "RequestTimeout",
  "SlowDown",
  "InternalError",
  "OperationAborted",
]);

/** What went wrong, for whoever decides what to do about it. */
export interface StoreFailure {
  /** Absent when there was no answer. */
  readonly status?: number;
  /** The store's own code, `NoSuchKey` for one; absent when it gave none. */
  readonly storeCode?: string;
  /** The same request may succeed later. */
  readonly isTransient: boolean;
  /** The request may have been carried out nevertheless. */
  readonly isDoubtful: boolean;
  readonly retryAfterMs?: number;
}

/** What an error of this folder says about the store; undefined for other errors. */
export function failureOf(error: unknown): StoreFailure | undefined {
  return error instanceof CofferError ? (error.data["store"] as StoreFailure | undefined) : undefined;
}

/** The error for an answer that is not the one hoped for. Reads the body. */
export async function storeError(
  action: string,
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: AsyncIterable<Uint8Array>,
): Promise<CofferError> {
  const { code: storeCode, message } = await readErrorBody(body);
  const isDamaged = status === 400 && bodyDamaged.has(storeCode ?? "");
  const isTransient = transientStatuses.has(status) || transientCodes.has(storeCode ?? "") || isDamaged;
  const retryAfterSeconds = Number(headers["retry-after"]);
  const store: StoreFailure = {
    status,
    ...(storeCode === undefined ? {} : { storeCode }),
    isTransient: isTransient && !noRoom.has(storeCode ?? ""),
    isDoubtful: status >= 500,
    ...(retryAfterSeconds > 0 ? { retryAfterMs: retryAfterSeconds * 1000 } : {}),
  };
  const words = [storeCode, message].filter((part) => part !== undefined && part !== "").join(": ");
  const text = `${action}: the storage answered ${status}${words === "" ? "" : ` (${words})`}${adviceFor(storeCode)}`;
  return new CofferError(errorCodeFor(status, storeCode, isDamaged), text, { data: { store } });
}

/** The error for a request that got no answer, or only a part of one. */
export function transportError(action: string, cause: unknown): CofferError {
  const { message, code } = cause as { message?: string; code?: string };
  const store: StoreFailure = { isTransient: true, isDoubtful: true };
  const words = [code, message].filter((part) => typeof part === "string").join(" ");
  return new CofferError("unavailable", `${action}: no whole answer from the storage: ${words}`, {
    cause,
    data: { store },
  });
}

function errorCodeFor(status: number, storeCode: string | undefined, isDamaged: boolean): ErrorCode {
  if (noRoom.has(storeCode ?? "") || status === 507) return "out-of-space";
  if (isDamaged) return "hash-mismatch";
  // Without its bucket, the storage is not empty but missing.
  if (status === 404 && storeCode !== "NoSuchBucket") return "not-found";
  if (status === 416) return "out-of-range";
  return "unavailable";
}

const advice: Readonly<Record<string, string>> = {
  RequestTimeTooSkewed: "set this machine's clock",
  SignatureDoesNotMatch: "check AWS_SECRET_ACCESS_KEY and AWS_REGION",
  InvalidAccessKeyId: "check AWS_ACCESS_KEY_ID",
  ExpiredToken: "AWS_SESSION_TOKEN has expired",
  NoSuchBucket: "make the bucket first, and check its name",
};

function adviceFor(storeCode = ""): string {
  return Object.hasOwn(advice, storeCode) ? `; ${advice[storeCode]}` : "";
}

/** A proxy in between may answer with anything: what cannot be read says nothing. */
async function readErrorBody(body: AsyncIterable<Uint8Array>): Promise<{ code?: string; message?: string }> {
  const found: { code?: string; message?: string } = {};
  try {
    await readXml(body, largestErrorBytes, (path, text) => {
      if (path === "Error/Code") found.code = text.slice(0, 100);
      if (path === "Error/Message") found.message = text.slice(0, 300).replaceAll(/\s+/g, " ");
    });
  } catch {
    // The status has to be enough.
  }
  return found;
}
