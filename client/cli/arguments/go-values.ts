/** Numbers, booleans and durations in the syntax of restic's command line, which is Go's, with Go's reasons for refusing. */
import { quoteText } from "../text/quote.ts";
import { InvalidValue } from "./invalid-value.ts";

const trueTexts = ["1", "t", "T", "true", "TRUE", "True"];
const falseTexts = ["0", "f", "F", "false", "FALSE", "False"];

export function parseGoBoolean(text: string): boolean {
  if (trueTexts.includes(text)) return true;
  if (falseTexts.includes(text)) return false;
  throw new InvalidValue(`strconv.ParseBool: parsing ${quoteText(text)}: invalid syntax`);
}

const integerForm =
  /^([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;

/** A 64-bit integer; `0x`, `0o`, `0b`, a leading 0 and underscores are understood. */
export function parseGoInteger(text: string, sign: "signed" | "unsigned" = "signed"): bigint {
  const name = sign === "signed" ? "ParseInt" : "ParseUint";
  const match = integerForm.exec(text);
  if (match === null || (sign === "unsigned" && match[1] !== "")) {
    throw new InvalidValue(`strconv.${name}: parsing ${quoteText(text)}: invalid syntax`);
  }
  const digits = (match[2] ?? "").replaceAll("_", "");
  const isOctal = /^0[0-7]/.test(digits);
  const magnitude = BigInt(isOctal ? `0o${digits.slice(1)}` : digits.toLowerCase());
  const value = match[1] === "-" ? -magnitude : magnitude;
  const isInRange = sign === "unsigned" ? BigInt.asUintN(64, value) === value : BigInt.asIntN(64, value) === value;
  if (!isInRange) throw new InvalidValue(`strconv.${name}: parsing ${quoteText(text)}: value out of range`);
  return value;
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ["ns", 1e-6],
  ["us", 1e-3],
  ["µs", 1e-3],
  ["μs", 1e-3],
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);
const longestDurationMs = 2 ** 63 / 1e6;

/** `1h30m`, `1.5s`, `-5m`, `0`: milliseconds. */
export function parseGoDuration(text: string): number {
  const [, sign = "", amounts = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (amounts === "0") return 0;
  if (amounts === "") throw new InvalidValue(`time: invalid duration ${quoteText(text)}`);
  let totalMs = 0;
  for (let rest = amounts; rest !== ""; ) {
    const number = /^(?:\d+(?:\.\d*)?|\.\d+)/.exec(rest)?.[0];
    if (number === undefined) throw new InvalidValue(`time: invalid duration ${quoteText(text)}`);
    const unit = /^[^.\d]*/.exec(rest.slice(number.length))?.[0] ?? "";
    const factorMs = unitMs.get(unit);
    if (unit === "") throw new InvalidValue(`time: missing unit in duration ${quoteText(text)}`);
    if (factorMs === undefined) {
      throw new InvalidValue(`time: unknown unit ${quoteText(unit)} in duration ${quoteText(text)}`);
    }
    totalMs += Number(number) * factorMs;
    rest = rest.slice(number.length + unit.length);
  }
  if (totalMs >= longestDurationMs) throw new InvalidValue(`time: invalid duration ${quoteText(text)}`);
  return sign === "-" ? -totalMs : totalMs;
}
