/** What a store can do, proved at the start: some stores accept a condition or a lock and do not act on it. */
import { createHash, randomBytes } from "node:crypto";
import { hasErrorCode } from "../../../shared/errors.ts";
import type { Bucket, ObjectName, PutRules } from "./bucket.ts";
import { probeKey } from "./keys.ts";
import { failureOf } from "./store-error.ts";
import type { RequestContent } from "./transport.ts";

export interface Capabilities {
  /** `If-None-Match: *` keeps an object from being replaced. */
  readonly conditionalPut: boolean;
  /** Content that does not hash to what the request says is refused. */
  readonly verifiesContent: boolean;
  /** The credentials may write and delete. */
  readonly mayWrite: boolean;
  readonly mayDelete: boolean;
  /** `proved`: deleting a version was refused. `unproved`: the bucket has the setting, but a version could be deleted. */
  readonly objectLock: "none" | "unproved" | "proved";
  /** Buckets with object lock refuse content without an MD5. */
  readonly needsMd5: boolean;
}

/** Tries everything out below the server's own folder. Throws when the bucket cannot be used at all. */
export async function probeBucket(bucket: Bucket, prefix: string): Promise<Capabilities> {
  // Before anything is written: this finds a wrong address, bucket, key or clock.
  await bucket.list(probeKey(prefix, ""), undefined, 1);
  const hasLock = await hasObjectLock(bucket);
  const rules = { onlyIfAbsent: false, withMd5: hasLock };
  const object = probeObject(prefix, randomBytes(12).toString("hex"));
  if (!(await isAllowed(() => bucket.put(object, firstContent, rules)))) {
    const nothing = { conditionalPut: false, verifiesContent: false, mayWrite: false, mayDelete: false };
    return { ...nothing, objectLock: hasLock ? "unproved" : "none", needsMd5: hasLock };
  }
  const conditionalPut = await provesCondition(bucket, object, rules);
  const verifiesContent = await provesVerification(bucket, object, rules);
  const mayDelete = await isAllowed(() => bucket.remove(object));
  const objectLock = hasLock ? await proveLock(bucket, probeObject(prefix, "object-lock"), rules) : "none";
  return { conditionalPut, verifiesContent, mayWrite: true, mayDelete, objectLock, needsMd5: hasLock };
}

/** One line for each capability. */
export function describeCapabilities(capabilities: Capabilities): string[] {
  const { conditionalPut, verifiesContent, objectLock } = capabilities;
  if (!capabilities.mayWrite) return ["S3: the credentials may not write: every upload will fail"];
  return [
    conditionalPut
      ? "S3 conditional put: proved; no server can replace what another one has stored"
      : "S3 conditional put: not supported; each server looks before it writes (docs/s3.md says what holds then)",
    verifiesContent
      ? "S3 content hash: proved; the storage refuses content that was damaged on the way to it"
      : "S3 content hash: not verified by the storage; only clients will notice content that was damaged on the way to it",
    `S3 object lock: ${lockLines[objectLock]}`,
    ...(capabilities.mayDelete
      ? []
      : ["S3: the credentials may not delete: locks will stay, and forget and prune fail"]),
  ];
}

const lockLines: Readonly<Record<Capabilities["objectLock"], string>> = {
  none: "none; whoever has the credentials can delete",
  unproved: "NOT PROVED; the bucket has the setting, but a version could be deleted: it does not protect",
  proved: "proved; deleting a version was refused",
};

function probeObject(prefix: string, name: string): ObjectName {
  return { key: probeKey(prefix, name), name: "a probe object" };
}

const firstContent = contentOf("first");

/** False when the credentials do not suffice. */
async function isAllowed(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (failureOf(error)?.storeCode === "AccessDenied") return false;
    throw error;
  }
}

async function provesCondition(bucket: Bucket, object: ObjectName, rules: PutRules): Promise<boolean> {
  try {
    const outcome = await bucket.put(object, contentOf("second"), { ...rules, onlyIfAbsent: true });
    return outcome.kind === "exists" && (await holdsFirst(bucket, object));
  } catch (error) {
    // 501 or 400: the store knows that it cannot.
    if (isRefusal(error)) return false;
    throw error;
  }
}

async function provesVerification(bucket: Bucket, object: ObjectName, rules: PutRules): Promise<boolean> {
  await bucket.put(object, firstContent, rules);
  const wrong: RequestContent = { ...contentOf("third"), hash: createHash("sha256").update("other").digest("hex") };
  try {
    // Refused content is no passing trouble here: one attempt is enough.
    await bucket.putOnce(object, wrong, rules);
    return false;
  } catch (error) {
    if (isRefusal(error)) return holdsFirst(bucket, object);
    throw error;
  }
}

async function hasObjectLock(bucket: Bucket): Promise<boolean> {
  let isEnabled = false;
  let hasRetention = false;
  try {
    await bucket.readSetting("object-lock", (path, text) => {
      if (path === "ObjectLockConfiguration/ObjectLockEnabled") isEnabled = text.trim() === "Enabled";
      if (path === "ObjectLockConfiguration/Rule/DefaultRetention/Mode") hasRetention = text.trim() !== "";
    });
  } catch (error) {
    // No such setting, not allowed to see it, or not even XML: nothing that could be relied on.
    if (isRefusal(error) || hasErrorCode(error, "malformed", "limit-exceeded")) return false;
    throw error;
  }
  return isEnabled && hasRetention;
}

/** A version of an earlier start serves as well, so that starts do not pile up what nobody can delete. */
async function proveLock(bucket: Bucket, object: ObjectName, rules: PutRules): Promise<"unproved" | "proved"> {
  if (await refusesDelete(bucket, object)) return "proved";
  await bucket.put(object, firstContent, rules);
  return (await refusesDelete(bucket, object)) ? "proved" : "unproved";
}

async function refusesDelete(bucket: Bucket, object: ObjectName): Promise<boolean> {
  try {
    const version = (await bucket.headersOf(object))["x-amz-version-id"];
    if (typeof version !== "string" || version === "null") return false;
    await bucket.remove(object, version);
    return false;
  } catch (error) {
    if (hasErrorCode(error, "not-found")) return false;
    if (failureOf(error)?.status === 403) return true;
    throw error;
  }
}

/** An answer that says no, and is not about a trouble that passes. */
function isRefusal(error: unknown): boolean {
  const status = failureOf(error)?.status ?? 0;
  return status === 501 || (status >= 400 && status < 500);
}

async function holdsFirst(bucket: Bucket, object: ObjectName): Promise<boolean> {
  const { body } = await bucket.open(object, {});
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const first = firstContent.open();
  return first instanceof Uint8Array && Buffer.concat(chunks).equals(first);
}

function contentOf(word: string): RequestContent {
  const bytes = Buffer.from(`coffer-server tries out what this storage can do: ${word}\n`);
  return { sizeBytes: bytes.length, hash: createHash("sha256").update(bytes).digest("hex"), open: () => bytes };
}
