/** Which snapshots a command is about: the filter flags, and what is said about snapshots that cannot be found. Source: docs/cli.md, finding snapshots. */
import { resolve } from "node:path";
import { hasErrorCode } from "../../shared/errors.ts";
import { describeFilter, parseTagList, type SnapshotFilter } from "../repository/snapshot-filter.ts";
import { findSnapshots, type StoredSnapshot } from "../repository/snapshots.ts";
import { arrayFlag, type FlagTable, type FlagValues } from "./arguments/flag.ts";
import type { Output } from "./output.ts";
import type { Session } from "./session.ts";
import { quoteText } from "./text/quote.ts";

/** `condition`: when the flags count, as part of a sentence. */
function makeFilterFlags(condition: string) {
  return {
    hosts: arrayFlag({
      name: "host",
      shorthand: "H",
      placeholder: "host",
      help: `only snapshots of this host${condition} (several times: any of them; "" for all; default: $RESTIC_HOST)`,
    }),
    tagLists: arrayFlag({
      name: "tag",
      placeholder: "tag[,tag,...]",
      help: `only snapshots with all these tags${condition} (several times: any of the lists)`,
    }),
    paths: arrayFlag({
      name: "path",
      placeholder: "path",
      help: `only snapshots that include this absolute path${condition} (several times: all of them)`,
    }),
  } satisfies FlagTable;
}

type FilterFlags = ReturnType<typeof makeFilterFlags>;

/** For commands on a set of snapshots. */
export const filterFlags: FilterFlags = makeFilterFlags("");
/** For commands on one snapshot. */
export const latestFilterFlags: FilterFlags = makeFilterFlags(', if the snapshot is "latest"');

export interface FilterOptions {
  /** Paths are made absolute, as for `latest`; otherwise they are compared as typed. */
  readonly resolvesPaths: boolean;
}

export function filterOf(
  values: FlagValues<FilterFlags>,
  environment: NodeJS.ProcessEnv,
  { resolvesPaths }: FilterOptions,
): SnapshotFilter {
  return {
    hosts: hostsOf(values.hosts, environment),
    tagLists: values.tagLists.map(parseTagList),
    paths: resolvesPaths ? values.paths.map((path) => resolve(path)) : values.paths,
  };
}

/** The environment's host counts unless flags name some; a single empty one switches it off. */
function hostsOf(hosts: readonly string[], environment: NodeJS.ProcessEnv): readonly string[] {
  if (hosts.length === 1 && hosts[0] === "") return [];
  if (hosts.length > 0) return hosts;
  const host = environment["RESTIC_HOST"];
  return host ? [host] : [];
}

/** The snapshots that arguments or filters select. What cannot be found is told, and the command goes on with the others. */
export async function selectSnapshots(
  session: Session,
  output: Output,
  names: readonly string[],
  filter: SnapshotFilter,
): Promise<readonly StoredSnapshot[]> {
  const { snapshots, problems } = await findSnapshots(session.repository, names, filter, session.signal);
  for (const { argument, error } of problems) {
    const isUnmatched = argument === "latest" && hasErrorCode(error, "not-found");
    const reason = isUnmatched ? `no snapshot matched given filter (${describeFilter(filter)})` : error.message;
    output.error(`Ignoring ${quoteText(argument)}: ${reason}`);
  }
  return snapshots;
}
