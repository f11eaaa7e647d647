/**
 * The time zone files of Unix systems (/usr/share/zoneinfo). restic reads the same files, so offsets agree to the
 * second, whatever time zone data the JavaScript engine was built with. Form: RFC 8536 (TZif).
 */
import { CofferError } from "../../shared/errors.ts";
import { parseZoneRule, type ZonePeriod, type ZoneRule } from "./zone-rule.ts";

interface LocalTimeType {
  readonly offsetSeconds: number;
  readonly isSummerTime: boolean;
  readonly abbreviation: string;
}

/** Sizes of the parts of a data block. */
interface BlockCounts {
  readonly universalMarks: number;
  readonly standardMarks: number;
  readonly leapSeconds: number;
  readonly transitions: number;
  readonly types: number;
  readonly abbreviationBytes: number;
}

const headerBytes = 44;
const typeBytes = 6;

/** The transitions of a zone, and the rule for the time after them. */
export class ZoneFile {
  readonly #instants: Float64Array;
  readonly #typeIndexes: Uint8Array;
  readonly #types: readonly LocalTimeType[];
  readonly #rule: ZoneRule | undefined;

  /** Throws `malformed` when the bytes are not a zone file. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      const version = readVersion(view, 0);
      const firstCounts = readCounts(view, 0);
      // Later versions repeat all with instants of 64 bits, and end with a rule.
      const start = version === 0 ? 0 : headerBytes + blockLength(firstCounts, 4);
      const instantBytes = version === 0 ? 4 : 8;
      const counts = version === 0 ? firstCounts : readCounts(view, start);
      const block = start + headerBytes;
      this.#instants = readInstants(view, block, counts.transitions, instantBytes);
      const indexes = block + counts.transitions * instantBytes;
      this.#typeIndexes = bytes.slice(indexes, indexes + counts.transitions);
      this.#types = readTypes(view, indexes + counts.transitions, counts);
      const rule = version === 0 ? "" : readFooter(bytes, block + blockLength(counts, instantBytes));
      this.#rule = parseZoneRule(rule);
    } catch (cause) {
      // What lies beyond the end of the file throws a RangeError.
      throw new CofferError("malformed", "time zone file expected the TZif format", { cause });
    }
    const hasAllTypes = this.#typeIndexes.every((index) => index < this.#types.length);
    if (this.#types.length === 0 || !hasAllTypes) {
      throw new CofferError("malformed", "time zone file expected its transitions to name types that it has");
    }
  }

  periodAt(unixSeconds: number): ZonePeriod {
    const next = countUpTo(this.#instants, unixSeconds);
    const fromSeconds = this.#instants[next - 1] ?? Number.NEGATIVE_INFINITY;
    const untilSeconds = this.#instants[next] ?? Number.POSITIVE_INFINITY;
    if (next === this.#instants.length && this.#rule !== undefined) {
      const period = this.#rule.periodAt(unixSeconds);
      return { ...period, fromSeconds: Math.max(period.fromSeconds, fromSeconds) };
    }
    const { offsetSeconds, abbreviation } = next === 0 ? this.#firstType() : this.#typeBefore(next);
    return { fromSeconds, untilSeconds, offsetSeconds, abbreviation };
  }

  #typeBefore(transition: number): LocalTimeType {
    const type = this.#types[this.#typeIndexes[transition - 1] ?? 0];
    if (type === undefined) throw new CofferError("internal", "time zone expected a type for every transition");
    return type;
  }

  /** What was in force before all transitions, chosen as Go chooses: a type that no transition leads to, or winter time. */
  #firstType(): LocalTimeType {
    const [first] = this.#types;
    if (first === undefined) throw new CofferError("internal", "time zone expected at least one type");
    if (!this.#typeIndexes.includes(0)) return first;
    const target = this.#typeIndexes[0] ?? 0;
    if (this.#types[target]?.isSummerTime) {
      const before = this.#types.slice(0, target).findLast((type) => !type.isSummerTime);
      if (before !== undefined) return before;
    }
    return this.#types.find((type) => !type.isSummerTime) ?? first;
  }
}

/** 0 for the first version, whose byte is zero; otherwise the digit. */
function readVersion(view: DataView, offset: number): number {
  if (view.getUint32(offset) !== 0x545a6966) throw new RangeError("no magic number");
  const version = view.getUint8(offset + 4);
  return version === 0 ? 0 : version - 0x30;
}

function readCounts(view: DataView, offset: number): BlockCounts {
  return {
    universalMarks: view.getUint32(offset + 20),
    standardMarks: view.getUint32(offset + 24),
    leapSeconds: view.getUint32(offset + 28),
    transitions: view.getUint32(offset + 32),
    types: view.getUint32(offset + 36),
    abbreviationBytes: view.getUint32(offset + 40),
  };
}

function blockLength(counts: BlockCounts, instantBytes: number): number {
  return (
    counts.transitions * (instantBytes + 1) +
    counts.types * typeBytes +
    counts.abbreviationBytes +
    counts.leapSeconds * (instantBytes + 4) +
    counts.standardMarks +
    counts.universalMarks
  );
}

function readInstants(view: DataView, offset: number, count: number, instantBytes: number): Float64Array {
  if (offset + count * instantBytes > view.byteLength) throw new RangeError("the file ends early");
  return Float64Array.from({ length: count }, (_, index) => {
    const place = offset + index * instantBytes;
    return instantBytes === 4 ? view.getInt32(place) : Number(view.getBigInt64(place));
  });
}

function readTypes(view: DataView, offset: number, counts: BlockCounts): LocalTimeType[] {
  const names = offset + counts.types * typeBytes;
  if (names + counts.abbreviationBytes > view.byteLength) throw new RangeError("the file ends early");
  return Array.from({ length: counts.types }, (_, index) => {
    const place = offset + index * typeBytes;
    return {
      offsetSeconds: view.getInt32(place),
      isSummerTime: view.getUint8(place + 4) !== 0,
      abbreviation: readAbbreviation(view, names + view.getUint8(place + 5)),
    };
  });
}

/** The characters up to a zero byte. */
function readAbbreviation(view: DataView, offset: number): string {
  let abbreviation = "";
  for (let place = offset; view.getUint8(place) !== 0; place++) {
    abbreviation += String.fromCharCode(view.getUint8(place));
  }
  return abbreviation;
}

/** The text between the two newlines at the end of the file. */
function readFooter(bytes: Uint8Array, offset: number): string {
  return new TextDecoder("latin1").decode(bytes.subarray(offset)).trim();
}

/** How many of the ascending values are at most `limit`. */
function countUpTo(ascending: Float64Array, limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
