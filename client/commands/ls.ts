/** `coffer ls`: the files of a snapshot. */
import { booleanFlag, parsedFlag } from "../cli/arguments/flag.ts";
import { InvalidValue } from "../cli/arguments/invalid-value.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { fatalError } from "../cli/exit-status.ts";
import { DirectorySelection } from "../cli/ls/directory-selection.ts";
import { compareNodes, type ListedNode, type SortMode, sortModes } from "../cli/ls/listed-node.ts";
import { type ListingPrinter, printerOf } from "../cli/ls/printers.ts";
import { loadIndex, type Session, withSession } from "../cli/session.ts";
import { filterOf, latestFilterFlags } from "../cli/snapshot-arguments.ts";
import { quoteText } from "../cli/text/quote.ts";
import { type FoundSnapshot, findSnapshot } from "../repository/snapshots.ts";
import { findSubfolder, walkTree } from "../repository/trees.ts";

const flags = {
  long: booleanFlag({ name: "long", shorthand: "l", help: "show mode, owner, size and time" }),
  recursive: booleanFlag({ name: "recursive", help: "include what is below the listed folders" }),
  humanReadable: booleanFlag({ name: "human-readable", help: "show sizes in KiB, MiB, ..." }),
  ncdu: booleanFlag({ name: "ncdu", help: "print the export format of ncdu (for `ncdu -f -`)" }),
  sort: parsedFlag<SortMode>(
    {
      name: "sort",
      shorthand: "s",
      placeholder: "mode",
      help: "sort by (name|size|time=mtime|atime|ctime|extension)",
      defaultText: "name",
    },
    "name",
    parseSortMode,
  ),
  reverse: booleanFlag({ name: "reverse", help: "sort the other way round" }),
  ...latestFilterFlags,
};

export const lsCommand: Command = defineCommand({
  name: "ls",
  synopsis: "snapshotID [dir...]",
  description:
    "The ls command lists the files of a snapshot, or of folders in it. The snapshot is named by its id, the beginning of\n" +
    'its id, or "latest"; "snapshotID:subfolder" lists a folder as if it were the root.',
  flags,
  hasJson: true,
  endsWithOutput: true,
  async run(context, { values, operands, given }) {
    const [name, ...directories] = operands.map(({ text }) => text);
    if (name === undefined) {
      throw fatalError("no snapshot ID specified, specify snapshot ID or use special ID 'latest'");
    }
    if (values.ncdu) refuseWithNcdu(context, { sort: given.has("sort"), reverse: values.reverse });
    if (directories.some((directory) => !directory.startsWith("/"))) {
      throw fatalError("All path filters must be absolute, starting with a forward slash '/'");
    }
    const filter = filterOf(values, context.environment, { resolvesPaths: true });
    await withSession(
      context,
      { lock: "shared", mayOmitLock: true, prefetch: ["snapshots", "index"] },
      async (session) => {
        const { repository, signal } = session;
        const found = await findSnapshot(repository, name, { filter, signal });
        await loadIndex(context, session);
        const isSorted = values.sort !== "name" || values.reverse;
        const order = isSorted ? { mode: values.sort, isReversed: values.reverse } : undefined;
        const printer = printerOf(context.output, values);
        const selection = new DirectorySelection(directories, values.recursive);
        await printListing({ context, session, found, selection, printer, order });
      },
    );
  },
});

interface Listing {
  readonly context: CommandContext;
  readonly session: Session;
  readonly found: FoundSnapshot;
  readonly selection: DirectorySelection;
  readonly printer: ListingPrinter;
  /** Undefined for the order of the trees, which needs no memory. */
  readonly order: { readonly mode: SortMode; readonly isReversed: boolean } | undefined;
}

async function printListing({ context, session, found, selection, printer, order }: Listing): Promise<void> {
  const { repository, signal } = session;
  const { snapshot, subfolder } = found;
  const root = await findSubfolder(repository, snapshot.tree, subfolder, signal);
  printer.begin(snapshot, selection.directories);
  const collected: ListedNode[] = [];
  const mayDescend = ({ path }: ListedNode): boolean => selection.mayDescend(path);
  for await (const walked of walkTree(repository, root, { signal, mayDescend })) {
    // ncdu builds a tree: it needs the folders on the way, too.
    const isWanted = selection.selects(walked.path) || (printer.needsAncestors && selection.mayDescend(walked.path));
    if (!isWanted) continue;
    if (order === undefined) printer.node(walked);
    else collected.push(walked);
    await context.output.ready();
  }
  if (order !== undefined) await printSorted(context, printer, collected, order);
  printer.end();
}

async function printSorted(
  { output }: CommandContext,
  printer: ListingPrinter,
  nodes: ListedNode[],
  order: NonNullable<Listing["order"]>,
): Promise<void> {
  const sign = order.isReversed ? -1 : 1;
  nodes.sort((left, right) => sign * compareNodes(left, right, order.mode));
  for (const node of nodes) {
    printer.node(node);
    await output.ready();
  }
}

/** Throws `InvalidValue`. */
function parseSortMode(text: string): SortMode {
  const mode = text === "time" ? "mtime" : sortModes.find((candidate) => candidate === text);
  if (mode !== undefined) return mode;
  throw new InvalidValue(
    `invalid sort mode ${quoteText(text)}, must be one of (name|size|time=mtime|atime|ctime|extension)`,
  );
}

function refuseWithNcdu(
  { output }: CommandContext,
  given: { readonly sort: boolean; readonly reverse: boolean },
): void {
  if (output.isJson) throw fatalError("only either '--json' or '--ncdu' can be specified");
  if (given.sort) throw fatalError("--sort and --ncdu are mutually exclusive");
  if (given.reverse) throw fatalError("--reverse and --ncdu are mutually exclusive");
}
