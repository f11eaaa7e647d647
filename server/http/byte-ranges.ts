/** The Range header. Source: the table of ranges of docs/protocol.md. */
import { CofferError } from "../../shared/errors.ts";
import type { ByteSelection } from "../storage/selection.ts";

/** More digits than any file's size has. */
const position = /^\d{1,18}$/;

/**
 * The parts that a Range header asks for: at least one. Undefined without a header. Throws `out-of-range` for anything that is not a
 * list of byte ranges.
 */
export function parseRanges(header: string | undefined): ByteSelection[] | undefined {
  if (header === undefined) return undefined;
  if (!header.startsWith("bytes=")) return refuse(header);
  const texts = header.slice("bytes=".length).split(",");
  const selections = texts
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => parseRange(text) ?? refuse(header));
  return selections.length === 0 ? refuse(header) : selections;
}

function parseRange(text: string): ByteSelection | undefined {
  const dash = text.indexOf("-");
  if (dash < 0) return undefined;
  const first = text.slice(0, dash).trim();
  const last = text.slice(dash + 1).trim();
  if (first === "") return position.test(last) ? { suffixBytes: Number(last) } : undefined;
  if (!position.test(first)) return undefined;
  if (last === "") return { firstByte: Number(first) };
  if (!position.test(last) || Number(last) < Number(first)) return undefined;
  return { firstByte: Number(first), lastByte: Number(last) };
}

function refuse(header: string): never {
  throw new CofferError("out-of-range", `range expected "bytes=FIRST-LAST", got ${JSON.stringify(header)}`);
}
