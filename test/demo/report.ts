/** What the demonstration prints. */

export interface Step {
  readonly title: string;
  readonly seconds: number;
  /** TCP connections that the server accepted during the step. */
  readonly connections: number;
  readonly detail: string;
}

export interface DemonstrationReport {
  readonly steps: readonly Step[];
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** Bytes of the second backup's files that needed no storing because they were stored already, 0 to 1. */
  readonly deduplicatedShare: number;
  /** Plain size divided by stored size of everything that was added. */
  readonly compressionRatio: number;
  readonly resticVersion: string | undefined;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printStep(step: Step): void {
  const columns = [
    `  ✔ ${step.title}`.padEnd(34),
    `${step.seconds.toFixed(2)} s`.padStart(8),
    `${step.connections} conn.`.padStart(9),
  ];
  print(`${columns.join(" ")}  ${step.detail}`);
}

export function formatMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function printReport(report: DemonstrationReport): void {
  print("");
  print(`  up             ${formatMegabytes(report.uploadBytesPerSecond)}/s (first backup, whole process)`);
  print(`  down           ${formatMegabytes(report.downloadBytesPerSecond)}/s (restore, whole process)`);
  print(`  deduplication  ${(report.deduplicatedShare * 100).toFixed(1)} % of the second backup was stored already`);
  print(`  compression    ${report.compressionRatio.toFixed(2)} : 1`);
  const most = Math.max(...report.steps.map((step) => step.connections));
  print(`  connections    at most ${most} TCP connections opened by any command`);
  print(
    report.resticVersion === undefined
      ? "  restic         not on PATH: its check and restore were not run"
      : `  restic         ${report.resticVersion} checked and restored the same repository through the server`,
  );
  print("\nEverything that was backed up came back, byte for byte.");
}
