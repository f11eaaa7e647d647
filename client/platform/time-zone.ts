/**
 * The local time zone, chosen as restic chooses it, so that the same file gets the same time text: `$TZ`, or /etc/localtime,
 * from the system's zone files; where a system has none (Windows, small containers), from the JavaScript engine.
 */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { env } from "node:process";
import type { TimeZone, ZoneOffset } from "../../shared/format/time.ts";
import { ZoneFile } from "./zone-file.ts";
import type { ZonePeriod } from "./zone-rule.ts";

/** A zone, and the name under which it was asked for: undefined when it is the machine's own, which has no name. */
export interface NamedTimeZone extends TimeZone {
  readonly name: string | undefined;
}

const zoneFolders = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"];
const machineZoneFile = "/etc/localtime";

const utcPeriod: ZonePeriod = {
  fromSeconds: Number.NEGATIVE_INFINITY,
  untilSeconds: Number.POSITIVE_INFINITY,
  offsetSeconds: 0,
  abbreviation: "UTC",
};

let localZone: NamedTimeZone | undefined;

/** The zone of this process. `$TZ` is looked at once. */
export function localTimeZone(): NamedTimeZone {
  localZone ??= timeZoneOf(env["TZ"]);
  return localZone;
}

/** The offset of this process's zone at an instant. */
export const localZoneOffset: ZoneOffset = (unixSeconds) => localTimeZone().offsetAt(unixSeconds);

/**
 * The zone that a value of `$TZ` means; undefined is the machine's own. As in restic, the empty value and a name that
 * the system does not know mean UTC (rules like `CET-1CEST` are not names).
 */
export function timeZoneOf(setting: string | undefined, folders: readonly string[] = zoneFolders): NamedTimeZone {
  if (setting === undefined) {
    const file = readZoneFile(machineZoneFile);
    if (file !== undefined) return zoneOf(undefined, (unixSeconds) => file.periodAt(unixSeconds));
    return folders.some(isFolder) ? utc : (engineZone(undefined) ?? utc);
  }
  const name = setting.startsWith(":") ? setting.slice(1) : setting;
  if (name === "" || name === "UTC") return utc;
  const file = findZoneFile(name, folders);
  if (file !== undefined) return zoneOf(name, (unixSeconds) => file.periodAt(unixSeconds));
  return folders.some(isFolder) ? utc : (engineZone(name) ?? utc);
}

/** Remembers the period of the last answer: nearly all times of a backup are in the same one. */
function zoneOf(name: string | undefined, periodAt: (unixSeconds: number) => ZonePeriod): NamedTimeZone {
  let period = periodAt(0);
  const find = (unixSeconds: number): ZonePeriod => {
    if (unixSeconds < period.fromSeconds || unixSeconds >= period.untilSeconds) period = periodAt(unixSeconds);
    return period;
  };
  return {
    name,
    offsetAt: (unixSeconds) => find(unixSeconds).offsetSeconds,
    abbreviationAt: (unixSeconds) => find(unixSeconds).abbreviation,
  };
}

const utc: NamedTimeZone = zoneOf("UTC", () => utcPeriod);

function findZoneFile(name: string, folders: readonly string[]): ZoneFile | undefined {
  if (isAbsolute(name)) return readZoneFile(name);
  // A name leads to no other place than below these folders.
  if (name.split("/").includes("..")) return undefined;
  for (const folder of folders) {
    const file = readZoneFile(join(folder, name));
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Undefined when there is no such file, or it is something else. */
function readZoneFile(path: string): ZoneFile | undefined {
  try {
    return new ZoneFile(readFileSync(path));
  } catch {
    return undefined;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * The zone as the JavaScript engine knows it, which tells offsets only one instant at a time; they are asked for once
 * per quarter of an hour, since no change lies within one in modern times. Undefined for a name that it does not know.
 */
function engineZone(name: string | undefined): NamedTimeZone | undefined {
  const format = engineFormat(name);
  if (format === undefined) return undefined;
  return zoneOf(name, (unixSeconds) => {
    const fromSeconds = Math.floor(unixSeconds / quarterSeconds) * quarterSeconds;
    const offsetSeconds = engineOffset(format, unixSeconds);
    return { fromSeconds, untilSeconds: fromSeconds + quarterSeconds, offsetSeconds, abbreviation: "" };
  });
}

const quarterSeconds = 900;
/** What a Date can hold: 100 million days on either side of 1970. */
const maxDateSeconds = 8_640_000_000_000;

function engineFormat(name: string | undefined): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch {
    return undefined;
  }
}

/** Out of a text like `1/1/1970, GMT+05:30`; `GMT` alone is offset 0. */
function engineOffset(format: Intl.DateTimeFormat, unixSeconds: number): number {
  const dateSeconds = Math.min(Math.max(unixSeconds, -maxDateSeconds), maxDateSeconds);
  const match = /GMT([+-])(\d{1,2}):(\d{2})(?::(\d{2}))?/.exec(format.format(dateSeconds * 1000));
  if (match === null) return 0;
  const [, sign, hours, minutes, seconds = "0"] = match;
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * (sign === "-" ? -1 : 1);
}
