/** `--time "YYYY-MM-DD HH:MM:SS"`: an instant in the local zone. */
import { daysOfMonth, daysSince1970, type ZoneOffset } from "../../../shared/format/time.ts";
import { fatalError } from "../exit-status.ts";
import { quoteText } from "../text/quote.ts";

const layout = "2006-01-02 15:04:05";

/** The parts of the layout, and what may stand for them. */
const parts: readonly (readonly [name: string, form: RegExp])[] = [
  ["2006", /^\d{4}/],
  ["-", /^-/],
  ["01", /^\d{2}/],
  ["-", /^-/],
  ["02", /^\d{2}/],
  [" ", /^(?: +|$)/],
  ["15", /^\d{1,2}/],
  [":", /^:/],
  ["04", /^\d{2}/],
  [":", /^:/],
  ["05", /^\d{2}(?:[.,]\d{1,9})?/],
];

/** Nanoseconds since 1970. Throws `usage` with words that say which part is wrong. */
export function parseTimeOption(text: string, zone: ZoneOffset): bigint {
  const failure = (reason: string): Error =>
    fatalError(`error in time option: parsing time ${quoteText(text)}${reason}`);
  const found: string[] = [];
  let rest = text;
  for (const [name, form] of parts) {
    const value = form.exec(rest)?.[0];
    if (value === undefined) {
      throw failure(` as ${quoteText(layout)}: cannot parse ${quoteText(rest)} as ${quoteText(name)}`);
    }
    found.push(value);
    rest = rest.slice(value.length);
  }
  if (rest !== "") throw failure(`: extra text: ${quoteText(rest)}`);
  const [year, , month, , day, , hour, , minute, , second] = found;
  const [wholeSecond = "", fraction = ""] = (second ?? "").split(/[.,]/);
  const numbers = [year, month, day, hour, minute, wholeSecond].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = numbers;
  if (mo < 1 || mo > 12) throw failure(": month out of range");
  if (d < 1 || d > daysOfMonth(y, mo)) throw failure(": day out of range");
  if (h > 23) throw failure(": hour out of range");
  if (mi > 59) throw failure(": minute out of range");
  if (s > 59) throw failure(": second out of range");
  const localSeconds = daysSince1970(y, mo, d) * 86_400 + h * 3600 + mi * 60 + s;
  return BigInt(toUnixSeconds(localSeconds, zone)) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** The instant at which the zone's clocks show so many seconds; near a change of the clocks, as Go decides it. */
function toUnixSeconds(localSeconds: number, zone: ZoneOffset): number {
  const guess = localSeconds - zone(localSeconds);
  return zone(guess) === zone(localSeconds) ? guess : localSeconds - zone(guess);
}
