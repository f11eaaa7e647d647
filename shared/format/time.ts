/**
 * Times as Go writes them. Inside the program a time is a bigint of nanoseconds since 1970 (no Date: milliseconds lose
 * what the format keeps); in documents it is RFC 3339 text in the local zone of the writer. Source: docs/format.md.
 */
import { CofferError } from "../errors.ts";

/** The seconds east of Greenwich that local clocks show at an instant, given in whole seconds since 1970. */
export type ZoneOffset = (unixSeconds: number) => number;

/** A zone that also knows what its clock time is called. */
export interface TimeZone {
  readonly offsetAt: ZoneOffset;
  /** `CET`, `CEST`, `+0545`, …; empty when unknown. */
  abbreviationAt(unixSeconds: number): string;
}

export const utcOffset: ZoneOffset = () => 0;

/** What Go has in a time that was never set. */
export const zeroTime = "0001-01-01T00:00:00Z";

const nanosecondsPerSecond = 1_000_000_000n;
const secondsPerDay = 86_400;
const secondsPerMinute = 60;
const maxYear = 9999;
const digitZero = 0x30;
/** Where the digits after the dot begin: the parts before it have a fixed length. */
const fractionStart = "2006-01-02T15:04:05.".length;

interface CalendarTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  readonly secondOfDay: number;
}

/**
 * `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`: the fraction without trailing zeros, `Z` for offset 0, seconds of an
 * offset cut off. Years before 0 and after 9999, which the form cannot hold, are clamped as restic does: the other
 * fields stay.
 */
export function formatTime(unixNs: bigint, zone: ZoneOffset): string {
  const { unixSeconds, nanoseconds } = splitTime(unixNs);
  const offsetSeconds = zone(unixSeconds);
  const local = clampYear(calendarTimeOf(unixSeconds + offsetSeconds));
  const suffix = offsetSeconds === 0 ? "Z" : formatOffset(offsetSeconds, ":");
  return `${formatDate(local)}T${formatClock(local.secondOfDay)}${formatFraction(nanoseconds)}${suffix}`;
}

/** `YYYY-MM-DD hh:mm:ss` in local time. */
export function formatLocal(unixNs: bigint, zone: ZoneOffset): string {
  const { unixSeconds } = splitTime(unixNs);
  const local = clampYear(calendarTimeOf(unixSeconds + zone(unixSeconds)));
  return `${formatDate(local)} ${formatClock(local.secondOfDay)}`;
}

/**
 * Go's long form of a stored time in its own offset: `2024-03-01 10:00:00.5 +0100 CET`. The abbreviation is that of the
 * local zone when its offset at that instant is the stored one; otherwise the offset stands in its place once more.
 */
export function formatLong(text: string, localZone: TimeZone): string {
  const { unixNs, offsetSeconds } = parseTime(text);
  const { unixSeconds, nanoseconds } = splitTime(unixNs);
  const local = calendarTimeOf(unixSeconds + offsetSeconds);
  const offset = formatOffset(offsetSeconds, "");
  const isLocal = localZone.offsetAt(unixSeconds) === offsetSeconds;
  const name = text.endsWith("Z") ? "UTC" : (isLocal && localZone.abbreviationAt(unixSeconds)) || offset;
  return `${formatDate(local)} ${formatClock(local.secondOfDay)}${formatFraction(nanoseconds)} ${offset} ${name}`;
}

const timeForm =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** True for text of the form that `parseTime` takes; a day that its month does not have is not found out. */
export function isTimeText(text: string): boolean {
  return timeForm.test(text);
}

/**
 * The instant of RFC 3339 text, and the offset that it was written with. Digits beyond nanoseconds are dropped. Throws
 * `malformed` on any other form and on dates that no calendar has.
 */
export function parseTime(text: string): { unixNs: bigint; offsetSeconds: number } {
  if (!isTimeText(text)) throw malformedTime(text);
  const year = readDigits(text, 0, 4);
  const month = readDigits(text, 5, 2);
  const day = readDigits(text, 8, 2);
  if (day > daysOfMonth(year, month)) throw malformedTime(text);

  const secondOfDay = readDigits(text, 11, 2) * 3600 + readDigits(text, 14, 2) * 60 + readDigits(text, 17, 2);
  const offsetSeconds = readOffset(text);
  const unixSeconds = daysSince1970(year, month, day) * secondsPerDay + secondOfDay - offsetSeconds;
  return { unixNs: BigInt(unixSeconds) * nanosecondsPerSecond + BigInt(readNanoseconds(text)), offsetSeconds };
}

/** The number that `count` digits from `start` on make. */
function readDigits(text: string, start: number, count: number): number {
  let value = 0;
  for (let index = start; index < start + count; index++) value = value * 10 + text.charCodeAt(index) - digitZero;
  return value;
}

/** The fraction after the seconds, if there is one, as nanoseconds; further digits are dropped. */
function readNanoseconds(text: string): number {
  const mark = text.charAt(fractionStart - 1);
  if (mark !== "." && mark !== ",") return 0;
  let nanoseconds = 0;
  let unit = 100_000_000;
  for (let index = fractionStart; unit >= 1; index++) {
    const digit = text.charCodeAt(index) - digitZero;
    if (!(digit >= 0 && digit <= 9)) break;
    nanoseconds += digit * unit;
    unit /= 10;
  }
  return nanoseconds;
}

/** `Z` or the last six characters. */
function readOffset(text: string): number {
  if (text.endsWith("Z")) return 0;
  const start = text.length - 6;
  const magnitude = (readDigits(text, start + 1, 2) * 60 + readDigits(text, start + 4, 2)) * secondsPerMinute;
  return text.charAt(start) === "-" ? 0 - magnitude : magnitude;
}

function malformedTime(text: string): CofferError {
  const shown = JSON.stringify(text.slice(0, 64));
  return new CofferError("malformed", `time expected the form 2006-01-02T15:04:05.999999999+01:00, got ${shown}`);
}

function splitTime(unixNs: bigint): { unixSeconds: number; nanoseconds: number } {
  const remainder = unixNs % nanosecondsPerSecond;
  const nanoseconds = remainder < 0n ? remainder + nanosecondsPerSecond : remainder;
  return {
    unixSeconds: Number((unixNs - nanoseconds) / nanosecondsPerSecond),
    nanoseconds: Number(nanoseconds),
  };
}

/**
 * The date and time of day of seconds since 1970 in the Gregorian calendar, extended to all years: years are counted
 * from March, so that the leap day comes last, in eras of 400 years, which all have the same number of days.
 */
export function calendarTimeOf(seconds: number): CalendarTime {
  const days = Math.floor(seconds / secondsPerDay);
  const daysFromMarchOf0 = days + 719_468;
  const era = Math.floor(daysFromMarchOf0 / 146_097);
  const dayOfEra = daysFromMarchOf0 - era * 146_097;
  const leapDays = -Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra + leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
    secondOfDay: seconds - days * secondsPerDay,
  };
}

/** The inverse of `calendarTimeOf` for whole days. `month` 1 to 12. */
export function daysSince1970(year: number, month: number, day: number): number {
  const yearFromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(yearFromMarch / 400);
  const yearOfEra = yearFromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** `month` 1 to 12. */
export function daysOfMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The 29th of February becomes the 1st of March when the year that it lands in has none, as Go's calendar does. */
function clampYear(time: CalendarTime): CalendarTime {
  const year = Math.min(Math.max(time.year, 0), maxYear);
  if (year === time.year) return time;
  return time.day > daysOfMonth(year, time.month) ? { ...time, year, month: 3, day: 1 } : { ...time, year };
}

function formatDate({ year, month, day }: CalendarTime): string {
  return `${String(year).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(day)}`;
}

function formatClock(secondOfDay: number): string {
  const hour = Math.floor(secondOfDay / 3600);
  const minute = Math.floor(secondOfDay / 60) % 60;
  return `${twoDigits(hour)}:${twoDigits(minute)}:${twoDigits(secondOfDay % 60)}`;
}

/** A dot and the digits up to the last that is not zero; nothing for a whole second. */
function formatFraction(nanoseconds: number): string {
  if (nanoseconds === 0) return "";
  const digits = String(nanoseconds).padStart(9, "0");
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 0x30) end--;
  return `.${digits.slice(0, end)}`;
}

/** `+hh:mm`. Seconds are cut off towards zero, and an offset of less than a minute counts as positive. */
function formatOffset(offsetSeconds: number, separator: string): string {
  const minutes = Math.trunc(offsetSeconds / secondsPerMinute);
  const magnitude = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${twoDigits(Math.floor(magnitude / 60))}${separator}${twoDigits(magnitude % 60)}`;
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
