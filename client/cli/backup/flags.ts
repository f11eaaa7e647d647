/** The flags of `backup`, and what they and the environment ask for. Source: docs/cli.md, backup. */
import type { GroupBy } from "../../repository/snapshot-filter.ts";
import {
  arrayFlag,
  booleanFlag,
  type FlagTable,
  type FlagValues,
  parsedFlag,
  textFlag,
  unsignedFlag,
} from "../arguments/flag.ts";
import { parseGoBoolean } from "../arguments/go-values.ts";
import { readUnsigned } from "../global-options.ts";
import { parseGroupByFlag } from "../group-by.ts";
import { excludeFlags } from "../pattern-flags.ts";

export const backupFlags = {
  parent: textFlag({
    name: "parent",
    placeholder: "snapshot",
    help: "compare with this snapshot (default: the latest of the same group, see --group-by)",
  }),
  groupBy: parsedFlag<GroupBy>(
    {
      name: "group-by",
      shorthand: "g",
      placeholder: "group",
      help: "what the snapshot to compare with must share: host, paths, tags, or several of them with commas between",
      defaultText: "host,paths",
    },
    { host: true, paths: true, tags: false },
    parseGroupByFlag,
  ),
  force: booleanFlag({ name: "force", shorthand: "f", help: "read every file, whether it has changed or not" }),
  ...excludeFlags,
  oneFileSystem: booleanFlag({
    name: "one-file-system",
    shorthand: "x",
    help: "stay on the file systems of the targets",
  }),
  excludeIfPresent: arrayFlag({
    name: "exclude-if-present",
    placeholder: "filename[:header]",
    help: "leave out the content of folders that hold this file, if it begins with the header (several times)",
  }),
  excludeCaches: booleanFlag({
    name: "exclude-caches",
    help: "leave out the content of folders that a CACHEDIR.TAG file marks as caches",
  }),
  excludeLargerThan: textFlag({
    name: "exclude-larger-than",
    placeholder: "size",
    help: "leave out larger files (suffixes k, m, g, t)",
  }),
  filesFrom: arrayFlag({
    name: "files-from",
    placeholder: "file",
    help: "more targets, one pattern in each line of a file (- is standard input; several times)",
  }),
  filesFromVerbatim: arrayFlag({
    name: "files-from-verbatim",
    placeholder: "file",
    help: "more targets, one name in each line of a file (- is standard input; several times)",
  }),
  filesFromRaw: arrayFlag({
    name: "files-from-raw",
    placeholder: "file",
    help: "more targets, each ended by a zero byte (- is standard input; several times)",
  }),
  stdin: booleanFlag({ name: "stdin", help: "save what comes from standard input as a file" }),
  stdinFilename: textFlag(
    { name: "stdin-filename", placeholder: "filename", help: "the name of that file", defaultText: '"stdin"' },
    "stdin",
  ),
  stdinFromCommand: booleanFlag({
    name: "stdin-from-command",
    help: "run the arguments as a command, and save what it prints as a file",
  }),
  tags: arrayFlag({
    name: "tag",
    placeholder: "tags",
    help: "tags of the snapshot, with commas between (several times)",
  }),
  host: textFlag({
    name: "host",
    shorthand: "H",
    placeholder: "hostname",
    help: "host of the snapshot (default: $RESTIC_HOST, or this machine's name)",
  }),
  hostname: textFlag({ name: "hostname", placeholder: "hostname", help: "", deprecated: "use --host" }),
  time: textFlag({
    name: "time",
    placeholder: "time",
    help: "time of the snapshot, such as '2012-11-01 22:08:41' (default: now)",
  }),
  withAtime: booleanFlag({ name: "with-atime", help: "store access times" }),
  ignoreInode: booleanFlag({ name: "ignore-inode", help: "do not take a new inode or ctime for a change" }),
  ignoreCtime: booleanFlag({ name: "ignore-ctime", help: "do not take a new ctime for a change" }),
  readConcurrency: unsignedFlag({
    name: "read-concurrency",
    placeholder: "n",
    help: "files that are read at the same time (default: $RESTIC_READ_CONCURRENCY, or as many as the machine has processors, at most 4)",
  }),
  noScan: booleanFlag({ name: "no-scan", help: "do not count files beforehand; there are no totals then" }),
  skipIfUnchanged: booleanFlag({
    name: "skip-if-unchanged",
    help: "write no snapshot when it would be as the one compared with",
  }),
  dryRun: booleanFlag({ name: "dry-run", shorthand: "n", help: "write nothing, only show what would be done" }),
} satisfies FlagTable;

export type BackupValues = FlagValues<typeof backupFlags>;

/** Undefined: as many as the machine is good for. Throws `usage` for a value of the environment that is no number. */
export function readConcurrencyOf(values: BackupValues, environment: NodeJS.ProcessEnv): number | undefined {
  return values.readConcurrency || readUnsigned(environment, "RESTIC_READ_CONCURRENCY") || undefined;
}

/** A flag, or its variable; what cannot be understood there counts as false. */
export function flagOrVariable(value: boolean, environment: NodeJS.ProcessEnv, name: string): boolean {
  if (value) return true;
  try {
    return parseGoBoolean(environment[name] ?? "false");
  } catch {
    return false;
  }
}

/** All tags of all lists; empty ones are dropped, repeated ones kept. */
export function tagsOf(values: BackupValues): string[] {
  return values.tags.flatMap((list) => list.split(",").map((tag) => tag.trim())).filter((tag) => tag !== "");
}
