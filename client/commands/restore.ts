/** `coffer restore`. */
import { hasErrorCode } from "../../shared/errors.ts";
import type { FlagValues } from "../cli/arguments/flag.ts";
import { arrayFlag, booleanFlag, parsedFlag, textFlag } from "../cli/arguments/flag.ts";
import { InvalidValue } from "../cli/arguments/invalid-value.ts";
import { bytesOfArgument } from "../cli/arguments/raw-arguments.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { fatalError, wrapError } from "../cli/exit-status.ts";
import { excludeFlags, includeFlags, readExcludes, readIncludes, refuseInvalid } from "../cli/pattern-flags.ts";
import { RestoreReport } from "../cli/restore/report.ts";
import { loadIndex, type Session, withSession } from "../cli/session.ts";
import { filterOf, latestFilterFlags } from "../cli/snapshot-arguments.ts";
import { describeSnapshot } from "../cli/snapshot-text.ts";
import { quoteText } from "../cli/text/quote.ts";
import { createExcludeFilter, createIncludeFilter, selectUnlessExcluded } from "../filter/select.ts";
import type { SnapshotFilter } from "../repository/snapshot-filter.ts";
import { type FoundSnapshot, findSnapshot } from "../repository/snapshots.ts";
import { findSubfolder } from "../repository/trees.ts";
import type { OverwriteMode, RestoreOptions, RestoreSelection } from "../restore/options.ts";
import { restore } from "../restore/restore.ts";

const overwriteModes: readonly OverwriteMode[] = ["always", "if-changed", "if-newer", "never"];

const flags = {
  target: textFlag({ name: "target", shorthand: "t", placeholder: "directory", help: "where to restore to" }),
  ...excludeFlags,
  ...includeFlags,
  excludeXattr: arrayFlag({
    name: "exclude-xattr",
    placeholder: "pattern",
    help: "leave out extended attributes whose name matches (several times)",
  }),
  includeXattr: arrayFlag({
    name: "include-xattr",
    placeholder: "pattern",
    help: "only extended attributes whose name matches (several times)",
  }),
  overwrite: parsedFlag<OverwriteMode>(
    {
      name: "overwrite",
      placeholder: "behavior",
      help: `which existing files are written over, one of (${overwriteModes.join("|")})`,
      defaultText: "always",
    },
    "always",
    parseOverwrite,
  ),
  delete: booleanFlag({
    name: "delete",
    help: "remove what is in the target but not in the snapshot; `--dry-run -vv` shows what that would be",
  }),
  dryRun: booleanFlag({ name: "dry-run", help: "write nothing, only show what would be done" }),
  verify: booleanFlag({ name: "verify", help: "read every written file again and compare it" }),
  sparse: booleanFlag({ name: "sparse", help: "leave holes in files where they have long runs of zeros" }),
  ownershipByName: booleanFlag({
    name: "ownership-by-name",
    help: "restore owners by the names of users and groups instead of their numbers",
  }),
  ...latestFilterFlags,
};

type RestoreValues = FlagValues<typeof flags>;

/** What the flags ask for, known to make sense before anything is opened. */
interface RestorePlan {
  readonly name: string;
  readonly filter: SnapshotFilter;
  readonly options: Omit<RestoreOptions, "snapshot" | "subfolder">;
  readonly targetText: string;
}

export const restoreCommand: Command = defineCommand({
  name: "restore",
  synopsis: "snapshotID",
  description:
    "The restore command brings the files of a snapshot back into a folder. The snapshot is named by its id, the beginning\n" +
    'of its id, or "latest"; "snapshotID:subfolder" restores only a folder of it.',
  flags,
  hasJson: true,
  async run(context, { values, operands, given }) {
    const names = operands.map(({ text }) => text);
    const select = await selectionOf(values, names, context.environment);
    const filter = filterOf(values, context.environment, { resolvesPaths: true });
    const targetArgument = given.get("target")?.at(-1);
    const target =
      targetArgument === undefined ? Buffer.from("") : bytesOfArgument(targetArgument, context.argumentCount);
    const options = {
      target,
      select,
      selectXattr: attributeSelectionOf(values),
      overwrite: values.overwrite,
      delete: values.delete,
      dryRun: values.dryRun,
      verify: values.verify,
      sparse: values.sparse,
      ownershipByName: values.ownershipByName,
    };
    const plan = { name: names[0] ?? "", filter, options, targetText: values.target };
    await withSession(context, { lock: "shared", mayOmitLock: true, prefetch: ["snapshots", "index"] }, (session) =>
      runRestore(context, session, plan),
    );
  },
});

/** Checks flags and arguments in the order in which restic does. Undefined selects everything. Throws `usage`. */
async function selectionOf(
  values: RestoreValues,
  names: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<RestoreSelection | undefined> {
  const excludes = createExcludeFilter(await readExcludes(values, environment));
  const includes = createIncludeFilter(await readIncludes(values, environment));
  if (names.length === 0) throw fatalError("no snapshot ID specified");
  if (names.length > 1) throw fatalError(`more than one snapshot ID specified: [${names.join(" ")}]`);
  if (values.target === "") throw fatalError("please specify a directory to restore to (--target)");
  if (!excludes.isEmpty && !includes.isEmpty) {
    throw fatalError("exclude and include patterns are mutually exclusive");
  }
  if (values.excludeXattr.length > 0 && values.includeXattr.length > 0) {
    throw fatalError("exclude and include xattr patterns are mutually exclusive");
  }
  if (values.dryRun && values.verify) throw fatalError("--dry-run and --verify are mutually exclusive");
  const hasFilter = !excludes.isEmpty || !includes.isEmpty;
  if (values.delete && /^\/+$/.test(values.target) && !hasFilter) {
    throw fatalError("'--target / --delete' must be combined with an include or exclude filter");
  }
  if (!includes.isEmpty) return includes;
  return excludes.isEmpty ? undefined : selectUnlessExcluded(excludes);
}

/** Patterns on names of extended attributes, which have no components. Undefined selects all. */
function attributeSelectionOf(values: RestoreValues): ((name: string) => boolean) | undefined {
  const { includeXattr, excludeXattr } = values;
  refuseInvalid(excludeXattr, "--exclude-xattr");
  refuseInvalid(includeXattr, "--include-xattr");
  if (includeXattr.length > 0) {
    const includes = createIncludeFilter({ caseSensitive: includeXattr, caseInsensitive: [] });
    return (name) => includes.selects(name);
  }
  if (excludeXattr.length === 0) return undefined;
  const excludes = createExcludeFilter({ caseSensitive: excludeXattr, caseInsensitive: [] });
  return (name) => !excludes.excludes(name);
}

async function runRestore(context: CommandContext, session: Session, plan: RestorePlan): Promise<void> {
  const { output, updateIntervalMs } = context;
  const { repository, signal } = session;
  const { snapshot, subfolder } = await findWanted(session, plan);
  await loadIndex(context, session);
  const tree = await findSubfolder(repository, snapshot.tree, subfolder, signal);
  output.normal(`restoring snapshot ${describeSnapshot(snapshot)} to ${plan.targetText}`);
  const report = new RestoreReport(output, { target: plan.targetText, updateIntervalMs });
  try {
    const result = await restore(repository, { ...plan.options, snapshot: { tree } }, report.events, signal);
    report.finish();
    if (result.errorCount > 0) throw fatalError(`There were ${result.errorCount} errors`);
  } finally {
    report.stop();
  }
}

async function findWanted({ repository, signal }: Session, { name, filter }: RestorePlan): Promise<FoundSnapshot> {
  try {
    return await findSnapshot(repository, name, { filter, signal });
  } catch (error) {
    if (hasErrorCode(error, "cancelled")) throw error;
    throw wrapError("failed to find snapshot: ", error);
  }
}

/** Throws `InvalidValue`. */
function parseOverwrite(text: string): OverwriteMode {
  const mode = overwriteModes.find((candidate) => candidate === text);
  if (mode !== undefined) return mode;
  throw new InvalidValue(`invalid overwrite behavior ${quoteText(text)}, must be one of (${overwriteModes.join("|")})`);
}
