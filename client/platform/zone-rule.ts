/**
 * Rules like `CET-1CEST,M3.5.0,M10.5.0/3` at the end of zone files: what holds after the last transition that the file
 * lists. Form: POSIX, the variable TZ, with the extensions of RFC 8536 (hours from -167 to 167).
 */
import { calendarTimeOf, daysOfMonth, daysSince1970 } from "../../shared/format/time.ts";

/** A time during which a zone's offset does not change: from an instant on, until before another. */
export interface ZonePeriod {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** Seconds east of Greenwich. */
  readonly offsetSeconds: number;
  readonly abbreviation: string;
}

interface ClockTime {
  readonly offsetSeconds: number;
  readonly abbreviation: string;
}

/** A day of a year, and the clock time of the change on it, which may lie on another day. */
interface ChangeDate {
  dayOf(year: number): number;
  readonly secondOfDay: number;
}

export interface ZoneRule {
  /** The period that the rule gives for an instant. */
  periodAt(unixSeconds: number): ZonePeriod;
}

const secondsPerDay = 86_400;
const name = "([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)";
const clock = "([+-]?\\d{1,3}(?::\\d{2}){0,2})";
const date = "(M\\d{1,2}\\.\\d\\.\\d|J?\\d{1,3})";
const ruleForm = new RegExp(`^${name}${clock}(?:${name}${clock}?,${date}(?:/${clock})?,${date}(?:/${clock})?)?$`);

/** Undefined for text that is not such a rule; the empty text, which some files have, is none. */
export function parseZoneRule(text: string): ZoneRule | undefined {
  const match = ruleForm.exec(text);
  if (match === null) return undefined;
  const [, standardName = "", standardOffset = "", summerName, summerOffset, start, startTime, end, endTime] = match;
  const standard = { abbreviation: plainName(standardName), offsetSeconds: 0 - secondsOf(standardOffset) };
  if (summerName === undefined || start === undefined || end === undefined) return new FixedRule(standard);
  const summer = {
    abbreviation: plainName(summerName),
    offsetSeconds: summerOffset === undefined ? standard.offsetSeconds + 3600 : 0 - secondsOf(summerOffset),
  };
  return new YearlyRule(standard, summer, changeDateOf(start, startTime), changeDateOf(end, endTime));
}

class FixedRule implements ZoneRule {
  readonly #time: ClockTime;

  constructor(time: ClockTime) {
    this.#time = time;
  }

  periodAt(): ZonePeriod {
    return { fromSeconds: Number.NEGATIVE_INFINITY, untilSeconds: Number.POSITIVE_INFINITY, ...this.#time };
  }
}

class YearlyRule implements ZoneRule {
  readonly #standard: ClockTime;
  readonly #summer: ClockTime;
  readonly #start: ChangeDate;
  readonly #end: ChangeDate;

  constructor(standard: ClockTime, summer: ClockTime, start: ChangeDate, end: ChangeDate) {
    this.#standard = standard;
    this.#summer = summer;
    this.#start = start;
    this.#end = end;
  }

  periodAt(unixSeconds: number): ZonePeriod {
    const { year } = calendarTimeOf(unixSeconds + this.#standard.offsetSeconds);
    // The year before and the year after, so that there is a change on either side of every instant.
    const changes = [year - 1, year, year + 1]
      .flatMap((each) => [
        { atSeconds: instantOf(this.#start, each, this.#standard), time: this.#summer },
        { atSeconds: instantOf(this.#end, each, this.#summer), time: this.#standard },
      ])
      .sort((a, b) => a.atSeconds - b.atSeconds);
    const next = changes.findIndex(({ atSeconds }) => atSeconds > unixSeconds);
    const current = changes[next - 1];
    return {
      fromSeconds: current?.atSeconds ?? unixSeconds,
      untilSeconds: changes[next]?.atSeconds ?? unixSeconds + 1,
      ...(current?.time ?? this.#standard),
    };
  }
}

/** The date is on the clock that was shown until then. */
function instantOf(date: ChangeDate, year: number, before: ClockTime): number {
  return date.dayOf(year) * secondsPerDay + date.secondOfDay - before.offsetSeconds;
}

function changeDateOf(text: string, time: string | undefined): ChangeDate {
  const secondOfDay = time === undefined ? 2 * 3600 : secondsOf(time);
  if (text.startsWith("M")) {
    const [month = 1, week = 1, weekday = 0] = text.slice(1).split(".").map(Number);
    return { dayOf: (year) => dayOfWeekInMonth(year, month, week, weekday), secondOfDay };
  }
  if (text.startsWith("J")) {
    // From 1 to 365: the 29th of February is never counted.
    const day = Number(text.slice(1));
    return {
      dayOf: (year) => daysSince1970(year, 1, 1) + day - 1 + (day >= 60 && daysOfMonth(year, 2) === 29 ? 1 : 0),
      secondOfDay,
    };
  }
  return { dayOf: (year) => daysSince1970(year, 1, 1) + Number(text), secondOfDay };
}

/** The day, counted from 1970, of a weekday (0 = Sunday) in a week of a month; week 5 is the last that has it. */
function dayOfWeekInMonth(year: number, month: number, week: number, weekday: number): number {
  const firstDay = daysSince1970(year, month, 1);
  // 1970 began on a Thursday.
  const firstWeekday = (((firstDay + 4) % 7) + 7) % 7;
  const dayOfMonth = ((weekday - firstWeekday + 7) % 7) + (week - 1) * 7;
  return firstDay + (dayOfMonth < daysOfMonth(year, month) ? dayOfMonth : dayOfMonth - 7);
}

function plainName(quoted: string): string {
  return quoted.startsWith("<") ? quoted.slice(1, -1) : quoted;
}

/** `[+-]hh[:mm[:ss]]`. */
function secondsOf(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.replace(/^[+-]/, "").split(":").map(Number);
  return (hours * 3600 + minutes * 60 + seconds) * (text.startsWith("-") ? -1 : 1);
}
