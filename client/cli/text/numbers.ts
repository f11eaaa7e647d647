/** How numbers, sizes and durations are shown. Source: docs/cli.md, number formats. */

const units = [
  ["TiB", 1024 ** 4],
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
] as const;

/** `512 B`, `292.988 KiB`. */
export function formatBytes(bytes: number): string {
  for (const [name, size] of units) {
    if (bytes >= size) return `${(bytes / size).toFixed(3)} ${name}`;
  }
  return `${bytes} B`;
}

/** Sizes in tables and summaries are at least five wide: `0 B  `. */
export function formatBytesPadded(bytes: number): string {
  return formatBytes(bytes).padEnd(5);
}

/** `m:ss`, from one hour on `h:mm:ss`. Fractions of a second are cut off. */
export function formatClock(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** `42.50%`, at most `100.00%`; nothing when the whole is 0. */
export function formatPercent(part: number, whole: number): string {
  if (whole === 0) return "";
  return `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}

/** `8.45s`, `2m3.1s`, `15.5ms`, `0s`: with as many digits as the nanoseconds need. */
export function formatGoDuration(durationNs: bigint): string {
  if (durationNs < 0n) return `-${formatGoDuration(-durationNs)}`;
  if (durationNs === 0n) return "0s";
  if (durationNs < 1000n) return `${durationNs}ns`;
  if (durationNs < 1_000_000n) return `${withFraction(durationNs, 3)}µs`;
  if (durationNs < 1_000_000_000n) return `${withFraction(durationNs, 6)}ms`;
  const minutes = durationNs / 60_000_000_000n;
  const seconds = `${withFraction(durationNs % 60_000_000_000n, 9)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** The same for milliseconds, which may have a fraction. */
export function formatGoDurationMs(durationMs: number): string {
  return formatGoDuration(BigInt(Math.round(durationMs * 1e6)));
}

/** A number with `digits` decimals behind the point, without trailing zeros. */
function withFraction(value: bigint, digits: number): string {
  const text = String(value).padStart(digits + 1, "0");
  const fraction = text.slice(-digits).replace(/0+$/, "");
  return `${text.slice(0, -digits)}${fraction === "" ? "" : `.${fraction}`}`;
}
