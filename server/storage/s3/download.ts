/** Objects as stored content. */
import { CofferError, hasErrorCode } from "../../../shared/errors.ts";
import type { Gate } from "../../gate.ts";
import { type ByteSelection, requireExtent } from "../selection.ts";
import type { StoredContent } from "../storage.ts";
import type { Bucket, ObjectName } from "./bucket.ts";
import { type OpenedRead, placeOf, ResumedRead } from "./resumed-read.ts";
import { discardBody } from "./transport.ts";

/** A read of up to this size is finished before anybody waits for a client. */
const beginningBytes = 262_144;

/**
 * Opens the selected part and reads its beginning. A small part is read whole, so that only large downloads keep a place of the gate
 * while they wait for a client.
 */
export async function openDownload(
  bucket: Bucket,
  object: ObjectName,
  selection: ByteSelection | undefined,
  gate: Gate,
): Promise<StoredContent> {
  await gate.enter();
  let source: ResumedRead | undefined;
  try {
    const opened = await openFirst(bucket, object, selection);
    if (opened === undefined) {
      gate.leave();
      return emptyContent;
    }
    source = new ResumedRead(bucket, object, opened, () => gate.leave());
    const beginning: Uint8Array[] = [];
    let restBytes = Math.min(source.extent.lengthBytes, beginningBytes);
    while (restBytes > 0) {
      const chunk = await source.next();
      beginning.push(chunk);
      restBytes -= chunk.length;
    }
    return new Download(source, beginning);
  } catch (error) {
    if (source === undefined) gate.leave();
    else source.close();
    throw error;
  }
}

/** Undefined for an empty object, of which no store gives a range. */
async function openFirst(
  bucket: Bucket,
  object: ObjectName,
  selection: ByteSelection | undefined,
): Promise<OpenedRead | undefined> {
  const answer = await bucket
    .open(object, selection === undefined ? {} : { range: rangeOf(selection) })
    .catch((error: unknown) => {
      if (hasErrorCode(error, "out-of-range")) return undefined;
      throw error;
    });
  if (answer === undefined) {
    const extent = requireExtent(selection, await bucket.size(object));
    if (extent.lengthBytes === 0) return undefined;
    throw new CofferError("unavailable", `${object.name}: the storage refused a range that exists`);
  }
  try {
    const { totalBytes } = placeOf(object, answer);
    const extent = requireExtent(selection, totalBytes);
    if (totalBytes > 0) return { answer, totalBytes, extent };
  } catch (error) {
    await discardBody(answer.body);
    throw error;
  }
  await discardBody(answer.body);
  return undefined;
}

function rangeOf(selection: ByteSelection): string {
  if ("suffixBytes" in selection) return `bytes=-${selection.suffixBytes}`;
  return `bytes=${selection.firstByte}-${selection.lastByte ?? ""}`;
}

const emptyContent: StoredContent = {
  totalBytes: 0,
  offsetBytes: 0,
  lengthBytes: 0,
  async *chunks() {},
  async close() {},
};

class Download implements StoredContent {
  readonly totalBytes: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly #source: ResumedRead;
  #beginning: readonly Uint8Array[];
  #isOpen = true;

  constructor(source: ResumedRead, beginning: readonly Uint8Array[]) {
    this.#source = source;
    this.#beginning = beginning;
    this.totalBytes = source.totalBytes;
    this.offsetBytes = source.extent.offsetBytes;
    this.lengthBytes = source.extent.lengthBytes;
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    let restBytes = this.lengthBytes;
    const beginning = this.#beginning;
    this.#beginning = [];
    for (const chunk of beginning) {
      restBytes -= chunk.length;
      yield chunk;
    }
    while (restBytes > 0 && this.#isOpen) {
      const chunk = await this.#source.next();
      restBytes -= chunk.length;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#source.close();
  }
}
