/**
 * Many small objects in one request: its path, the names of its parts, how a server offers it, and its answer. Source: the section on
 * batch uploads of docs/protocol.md.
 */
import { CofferError } from "../errors.ts";
import { utf8Decode } from "../format/bytes.ts";
import { type FileHandle, fileTypes, type Id, isId } from "../format/layout.ts";

/** Below the repository's path. */
export const batchPath = "-/batch";

/** The response header in which a server tells what it can do beyond restic's protocol; by its lower-case name. */
export const capabilitiesHeader = "coffer-capabilities";

export interface BatchLimits {
  readonly parts: number;
  /** Of one object. */
  readonly partBytes: number;
  /** Of the body of the request, with the headers of its parts. */
  readonly totalBytes: number;
}

/** A file of a repository that can be a part: everything but the configuration. */
export type ObjectHandle = Extract<FileHandle, { readonly id: Id }>;

/** What became of one part. */
export interface PartResult {
  readonly name: string;
  /** As the answer to a single upload would have it. */
  readonly status: number;
  readonly error?: string;
}

/** The name of the part that brings an object. */
export function partNameOf({ type, id }: ObjectHandle): string {
  return `${type}/${id}`;
}

/** The object that a part is named after, or undefined for anything that is not the name of one. */
export function parsePartName(name: string): ObjectHandle | undefined {
  const slash = name.indexOf("/");
  const type = fileTypes.find((known) => known === name.slice(0, slash));
  const id = name.slice(slash + 1);
  return type !== undefined && isId(id) ? { type, id } : undefined;
}

/** The capability as servers announce it: "batch;parts=1000;part-bytes=4194304;total-bytes=16777216". */
export function encodeBatchCapability({ parts, partBytes, totalBytes }: BatchLimits): string {
  return `batch;parts=${parts};part-bytes=${partBytes};total-bytes=${totalBytes}`;
}

/** The limits in a list of capabilities, or undefined when it has no batch or one that cannot be understood. */
export function parseBatchCapability(header: string | undefined): BatchLimits | undefined {
  for (const capability of (header ?? "").split(",")) {
    const [name, ...parameters] = capability.split(";").map((text) => text.trim());
    if (name !== "batch") continue;
    const limitOf = (key: string): number => {
      const text = parameters.find((parameter) => parameter.startsWith(`${key}=`))?.slice(key.length + 1) ?? "";
      return /^\d{1,15}$/.test(text) ? Number(text) : 0;
    };
    const limits = { parts: limitOf("parts"), partBytes: limitOf("part-bytes"), totalBytes: limitOf("total-bytes") };
    return limits.parts > 0 && limits.partBytes > 0 && limits.totalBytes > 0 ? limits : undefined;
  }
  return undefined;
}

export function encodeBatchAnswer(results: readonly PartResult[]): string {
  return JSON.stringify({ results });
}

/** The results of an answer. Throws `malformed` for what is no such answer. */
export function parseBatchAnswer(body: Uint8Array): PartResult[] {
  let answer: unknown;
  try {
    answer = JSON.parse(utf8Decode(body));
  } catch (cause) {
    throw new CofferError("malformed", "answer to a batch expected JSON", { cause });
  }
  const results = isRecord(answer) ? answer["results"] : undefined;
  if (!Array.isArray(results) || !results.every(isResult)) {
    throw new CofferError("malformed", 'answer to a batch expected "results", each with "name" and "status"');
  }
  return results;
}

function isResult(value: unknown): value is PartResult {
  return isRecord(value) && typeof value["name"] === "string" && typeof value["status"] === "number";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
