/** `coffer backup`. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { formatTime } from "../../shared/format/time.ts";
import { backup } from "../backup/backup.ts";
import { displayBytes } from "../backup/byte-paths.ts";
import type { BackupOptions, BackupResult, StandardInput } from "../backup/options.ts";
import { createSelection, type SelectionRules } from "../backup/selection.ts";
import { parseSize } from "../backup/size-text.ts";
import { type BackupValues, backupFlags, flagOrVariable, readConcurrencyOf, tagsOf } from "../cli/backup/flags.ts";
import { findParent } from "../cli/backup/parent.ts";
import { BackupProgress } from "../cli/backup/progress.ts";
import { backupEvents, reportSummary } from "../cli/backup/report.ts";
import { type BackupStream, type BackupTargets, checkInputFlags, collectTargets } from "../cli/backup/targets.ts";
import { parseTimeOption } from "../cli/backup/time-option.ts";
import { cacheBaseOf } from "../cli/cache.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { exitStatus, IncompleteWork, plainError, wrapError } from "../cli/exit-status.ts";
import { packSizeBytesOf } from "../cli/global-options.ts";
import { nowNs, processOwner } from "../cli/machine.ts";
import { readExcludes } from "../cli/pattern-flags.ts";
import { programDescription } from "../cli/program.ts";
import { loadIndex, type Session, withSession } from "../cli/session.ts";
import { createExcludeFilter, type ExcludeFilter } from "../filter/select.ts";
import { openStandardInput } from "../platform/standard-input.ts";
import { localZoneOffset } from "../platform/time-zone.ts";

const unwatchedScanDelayMs = 10_000;

export const backupCommand: Command = defineCommand({
  name: "backup",
  synopsis: "[FILE/DIR] ...",
  description: "The backup command saves files and folders as a new snapshot.",
  flags: backupFlags,
  hasJson: true,
  exitCodes: ["3 if some of the source could not be read; the snapshot holds the rest"],
  async run(context, { values, operands }) {
    checkInputFlags(values, operands, context.password);
    const plan = await makePlan(context, values, operands);
    context.output.verbose("open repository");
    await withSession(
      context,
      {
        lock: values.dryRun ? "none" : "shared",
        isDryRun: values.dryRun,
        prefetch: ["snapshots", "index"],
      },
      (session) => runBackup(context, session, plan),
    );
  },
});

/** What flags and arguments ask for, known to make sense before anything is opened. */
interface BackupPlan {
  readonly values: BackupValues;
  readonly input: BackupTargets | BackupStream;
  readonly excludes: ExcludeFilter;
  readonly excludeLargerThanBytes: number | undefined;
  readonly readConcurrency: number | undefined;
  /** The snapshot's time, nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly hostname: string;
}

/** Throws `usage`. */
async function makePlan(
  context: CommandContext,
  values: BackupValues,
  operands: Parameters<typeof collectTargets>[2],
): Promise<BackupPlan> {
  const { environment } = context;
  const timeNs = values.time === "" ? nowNs() : parseTimeOption(values.time, localZoneOffset);
  const readConcurrency = readConcurrencyOf(values, environment);
  const excludes = createExcludeFilter(await readExcludes(values, environment));
  return {
    values,
    excludes,
    readConcurrency,
    timeNs,
    excludeLargerThanBytes: sizeLimitOf(values),
    hostname: values.host || values.hostname || environment["RESTIC_HOST"] || processOwner().hostname,
    input: await collectTargets(context, values, operands),
  };
}

function sizeLimitOf({ excludeLargerThan }: BackupValues): number | undefined {
  try {
    return parseSize(excludeLargerThan);
  } catch (error) {
    throw plainError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function runBackup(context: CommandContext, session: Session, plan: BackupPlan): Promise<void> {
  const { output, updateIntervalMs } = context;
  const { values, input } = plan;
  const parent = await findParent(session, output, plan);
  output.verbose("load index files");
  await loadIndex(context, session);
  const options = await backupOptionsOf(context, session, plan);
  announce(context, plan);
  const progress = new BackupProgress(output, { updateIntervalMs });
  let result: BackupResult;
  try {
    const events = backupEvents(output, progress);
    result = await backup(session.repository, { ...options, parent }, events, session.signal);
  } catch (error) {
    throw failedBackup(error);
  } finally {
    progress.stop();
  }
  reportSummary(output, result, values.dryRun);
  const areSomeMissing = input.kind === "targets" && input.areSomeMissing;
  if (result.failedItems === 0 && !areSomeMissing) return;
  throw new IncompleteWork(exitStatus.incomplete, "Warning: at least one source file could not be read");
}

/** "unable to save snapshot: …" in front of whatever ended the backup. */
function failedBackup(error: unknown): unknown {
  const prefix = "unable to save snapshot: ";
  if (error instanceof Error && error.message.startsWith(prefix)) return error;
  if (hasErrorCode(error, "internal", "locked", "lock-lost") || !(error instanceof CofferError)) return error;
  return wrapError(prefix, error);
}

function announce({ output }: CommandContext, { input, values }: BackupPlan): void {
  const names =
    input.kind === "stream" ? [`/${values.stdinFilename.replace(/^\/+/, "")}`] : input.targets.map(displayBytes);
  if (input.kind === "stream") output.verbose("read data from stdin");
  if (!values.noScan) output.verbose(`start scan on [${names.join(" ")}]`);
  output.verbose(`start backup on [${names.join(" ")}]`);
}

async function backupOptionsOf(
  context: CommandContext,
  session: Session,
  { values, input, excludes, excludeLargerThanBytes, readConcurrency, timeNs, hostname }: BackupPlan,
): Promise<BackupOptions> {
  const { options, environment, output } = context;
  const { username, uid, gid } = processOwner();
  const isStream = input.kind === "stream";
  const targets = isStream ? [] : input.targets;
  const workingDirectory = isStream ? Buffer.from("/") : input.workingDirectory;
  const rules: SelectionRules = {
    excludesPath: excludes.isEmpty ? undefined : (path) => excludes.excludes(path),
    excludeIfPresent: values.excludeIfPresent,
    excludeCaches: values.excludeCaches,
    excludeLargerThanBytes,
    oneFileSystem: values.oneFileSystem && !isStream,
    cacheDirectory: options.noCache ? undefined : Buffer.from(cacheBaseOf(context)),
  };
  const selection = createSelection(rules, targets, workingDirectory, (text) => output.error(text));
  return {
    ...selection,
    targets,
    workingDirectory,
    standardInput: isStream ? await openStream(context, input, values.stdinFilename) : undefined,
    time: formatTime(timeNs, localZoneOffset),
    hostname,
    username,
    uid,
    gid,
    tags: tagsOf(values),
    excludes: values.exclude,
    programVersion: programDescription,
    withAccessTime: values.withAtime,
    ignoreInode: flagOrVariable(values.ignoreInode, environment, "RESTIC_IGNORE_INODE"),
    ignoreCtime: flagOrVariable(values.ignoreCtime, environment, "RESTIC_IGNORE_CTIME"),
    skipIfUnchanged: values.skipIfUnchanged,
    dryRun: values.dryRun,
    scanAfterMs: values.noScan ? undefined : scanDelayMs(context),
    readConcurrency,
    packSizeBytes: packSizeBytesOf(options),
    compression: options.compression,
    extraVerify: options.extraVerify,
    lock: session.lock,
  };
}

/**
 * Totals are counted at once for those who see them. On SIGUSR1 everybody may ask for them, so they are counted a little
 * later in any case: a short backup is spared looking at every file twice.
 */
function scanDelayMs({ output, updateIntervalMs }: CommandContext): number {
  return updateIntervalMs !== undefined || output.level >= 2 ? 0 : unwatchedScanDelayMs;
}

async function openStream(
  { cancellation, output }: CommandContext,
  { command }: BackupStream,
  name: string,
): Promise<StandardInput> {
  if (command === undefined) return { name, stream: openStandardInput() };
  const { openCommandOutput } = await import("../cli/backup/command-input.ts");
  const tell = (line: string): void => output.error(line);
  return { name, stream: await openCommandOutput(command, cancellation.signal, tell) };
}
