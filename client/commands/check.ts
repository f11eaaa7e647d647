/** `coffer check`. */
import { encodeJsonString, encodeJsonStrings } from "../../shared/format/go-json.ts";
import { adviceFor, noteOnAdditionalFiles } from "../check/advice.ts";
import { check } from "../check/check.ts";
import type { CheckEvents, CheckResult, ReadDataSelection } from "../check/options.ts";
import { parseReadDataSubset } from "../check/subset.ts";
import { booleanFlag, type FlagValues, textFlag } from "../cli/arguments/flag.ts";
import { CheckCounters } from "../cli/check-counters.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { fatalError } from "../cli/exit-status.ts";
import { jsonMessage, type Output } from "../cli/output.ts";
import { type Session, withSession } from "../cli/session.ts";
import { filterFlags, filterOf } from "../cli/snapshot-arguments.ts";
import type { SnapshotFilter } from "../repository/snapshot-filter.ts";
import { findSnapshots } from "../repository/snapshots.ts";

const flags = {
  readData: booleanFlag({ name: "read-data", help: "read and verify all data" }),
  readDataSubset: textFlag({
    name: "read-data-subset",
    placeholder: "subset",
    help: "read and verify a part of the data: 'n/t' for the n-th of t parts, 'x%', or a size with suffix k, m, g or t for a random part",
  }),
  withCache: booleanFlag({ name: "with-cache", help: "use the local cache, and read only what it does not have" }),
  checkUnused: booleanFlag({
    name: "check-unused",
    help: "",
    deprecated: "`--check-unused` is deprecated and will be ignored",
  }),
  ...filterFlags,
};

export const checkCommand: Command = defineCommand({
  name: "check",
  synopsis: "[snapshotID ...]",
  description:
    "The check command looks for errors in the repository: whether packs are there, and whether the files of all snapshots\n" +
    "are complete. With --read-data or --read-data-subset it also reads the data and verifies it.",
  flags,
  hasJson: true,
  async run(context, { values, operands }) {
    const readData = readDataOf(values);
    const filter = filterOf(values, context.environment, { resolvesPaths: false });
    const names = operands.map(({ text }) => text);
    const report = new CheckReport(context);
    try {
      await withSession(context, sessionOptionsOf(context, values), (session) =>
        runCheck(context, session, report, { readData, names, filter }),
      );
    } catch (error) {
      report.failedBefore();
      throw error;
    }
    if (report.problemCount > 0) throw fatalError("repository contains errors");
    context.output.normal("no errors were found");
  },
});

interface CheckPlan {
  readonly readData: ReadDataSelection;
  readonly names: readonly string[];
  readonly filter: SnapshotFilter;
}

/** Throws `usage`. */
function readDataOf({ readData, readDataSubset }: FlagValues<typeof flags>): ReadDataSelection {
  if (readData && readDataSubset !== "") {
    throw fatalError("check flags --read-data and --read-data-subset cannot be used together");
  }
  if (readData) return { kind: "all" };
  return readDataSubset === "" ? { kind: "none" } : parseReadDataSubset(readDataSubset);
}

function sessionOptionsOf(
  { options, output }: CommandContext,
  { withCache }: FlagValues<typeof flags>,
): Parameters<typeof withSession>[1] {
  return {
    lock: "exclusive",
    mayOmitLock: true,
    prefetch: ["snapshots", "index"],
    cache: withCache ? "usual" : "temporary",
    onOpening: () => {
      if (!options.noLock) output.normal("create exclusive lock for repository");
    },
  };
}

async function runCheck(
  { output, updateIntervalMs }: CommandContext,
  session: Session,
  report: CheckReport,
  { readData, names, filter }: CheckPlan,
): Promise<void> {
  const { repository, signal } = session;
  const isFiltered = names.length + filter.hosts.length + filter.tagLists.length + filter.paths.length > 0;
  const found = isFiltered ? await findSnapshots(repository, names, filter, signal) : undefined;
  const counters = new CheckCounters(output, updateIntervalMs);
  try {
    const events = report.eventsWith(counters);
    const snapshots = found?.snapshots.map(({ id }) => id);
    for (const { error } of found?.problems ?? []) report.problem(`error: ${error.message}`);
    const result = await check(
      repository,
      { readData, ...(snapshots === undefined ? {} : { snapshots }) },
      events,
      signal,
    );
    counters.close();
    report.finish(result);
  } finally {
    counters.close();
  }
}

/** Findings as they come, the advice, and with JSON the summary. */
class CheckReport {
  readonly #output: Output;
  #problemCount = 0;
  #isSummaryPrinted = false;

  constructor({ output }: CommandContext) {
    this.#output = output;
  }

  get problemCount(): number {
    return this.#problemCount;
  }

  eventsWith(counters: CheckCounters): CheckEvents {
    return {
      phase: (text) => {
        counters.close();
        this.#output.normal(text);
      },
      progress: (counter, done, total) => counters.show(counter, done, total),
      problem: (text) => this.problem(text),
      hint: (text) => this.#output.normal(text),
      additionalPacks: (ids) => {
        for (const id of ids) this.#output.verbose(`pack ${id}: not referenced in any index`);
        for (const line of noteOnAdditionalFiles({ additionalFiles: ids.length })) this.#output.normal(line);
      },
    };
  }

  problem(text: string): void {
    this.#problemCount += 1;
    this.#tell(`${text}\n`);
  }

  finish(result: CheckResult): void {
    for (const paragraph of adviceFor({ ...result, problemCount: this.#problemCount })) this.#tell(paragraph);
    this.#printSummary(result, this.#problemCount);
  }

  /** The repository could not be opened or locked, or the check was broken off: the summary is printed all the same. */
  failedBefore(): void {
    const nothing = { brokenPacks: [], suggestRepairIndex: false, suggestPrune: false };
    this.#printSummary(nothing, Math.max(1, this.#problemCount));
  }

  #tell(text: string): void {
    if (this.#output.isJson) this.#output.jsonError(jsonMessage("error", [["message", encodeJsonString(text)]]));
    else this.#output.error(text.replace(/\n$/, ""));
  }

  #printSummary(
    {
      brokenPacks,
      suggestRepairIndex,
      suggestPrune,
    }: Pick<CheckResult, "brokenPacks" | "suggestRepairIndex" | "suggestPrune">,
    errors: number,
  ): void {
    if (!this.#output.isJson || this.#isSummaryPrinted) return;
    this.#isSummaryPrinted = true;
    this.#output.json(
      jsonMessage("summary", [
        ["num_errors", String(errors)],
        ["broken_packs", brokenPacks.length === 0 ? "null" : encodeJsonStrings(brokenPacks)],
        ["suggest_repair_index", String(suggestRepairIndex)],
        ["suggest_prune", String(suggestPrune)],
      ]),
    );
  }
}
