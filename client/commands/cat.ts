/** `coffer cat`: objects of the repository as they are, JSON indented, content as raw bytes. */
import { hasErrorCode } from "../../shared/errors.ts";
import { toHex, utf8Decode } from "../../shared/format/bytes.ts";
import { encodeConfig } from "../../shared/format/config.ts";
import { encodeKeyFile, encodeMasterKey } from "../../shared/format/key-file.ts";
import { type Id, isId } from "../../shared/format/layout.ts";
import { encodeLock, parseLock } from "../../shared/format/lock.ts";
import { encodeSnapshot } from "../../shared/format/snapshot.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { fatalError, wrapError } from "../cli/exit-status.ts";
import { loadIndex, type Session, withSession } from "../cli/session.ts";
import { indentJson } from "../cli/text/json-indent.ts";
import { quoteText } from "../cli/text/quote.ts";
import { loadKeyFile } from "../repository/keys.ts";
import { type FoundSnapshot, findById, parseSnapshotArgument } from "../repository/snapshots.ts";
import { findSubfolder } from "../repository/trees.ts";

const objectTypes = ["config", "index", "snapshot", "key", "masterkey", "lock", "pack", "blob", "tree"] as const;

type ObjectType = (typeof objectTypes)[number];

/** What is asked for: a kind, and for most kinds an id or a snapshot's name. */
interface Wanted {
  readonly type: ObjectType;
  readonly name: string;
}

export const catCommand: Command = defineCommand({
  name: "cat",
  synopsis: "[masterkey|config|pack ID|blob ID|snapshot ID|index ID|key ID|lock ID|tree snapshot:subfolder]",
  description: "The cat command prints an object of the repository: documents as JSON, everything else as raw bytes.",
  flags: {},
  hasJson: true,
  endsWithOutput: true,
  async run(context, { operands }) {
    const wanted = parseOperands(operands.map(({ text }) => text));
    await withSession(context, { lock: "shared", mayOmitLock: true }, (session) => print(context, session, wanted));
  },
});

/** Throws `usage`. */
function parseOperands(operands: readonly string[]): Wanted {
  const [typeText, name] = operands;
  if (typeText === undefined) throw fatalError("type not specified");
  const type = objectTypes.find((candidate) => candidate === typeText);
  if (type === undefined) {
    throw fatalError(`invalid type ${quoteText(typeText)}, must be one of [${objectTypes.join("|")}]`);
  }
  if (type === "config" || type === "masterkey") return { type, name: "" };
  if (name === undefined || operands.length > 2) throw fatalError("ID not specified");
  return { type, name };
}

async function print(context: CommandContext, session: Session, { type, name }: Wanted): Promise<void> {
  const { output } = context;
  const { repository, signal } = session;
  const printJson = (json: string): void => output.result(indentJson(json));
  switch (type) {
    case "config":
      return printJson(encodeConfig(repository.config));
    case "masterkey":
      return printJson(encodeMasterKey(repository.masterKey));
    case "key":
      return printJson(encodeKeyFile(await loadKeyFile(repository, parseId(name), signal)));
    case "lock":
      return printJson(encodeLock(parseLock(await repository.loadDocument("locks", parseId(name), signal))));
    case "index":
      return output.result(utf8Decode(await repository.loadDocument("index", parseId(name), signal)));
    case "snapshot":
      return printJson(encodeSnapshot((await findSnapshot(session, name)).snapshot));
    case "pack":
      return output.bytes(await loadPack(context, session, parseId(name)));
    case "blob":
      return output.bytes(await loadAnyBlob(context, session, parseId(name)));
    case "tree":
      return output.bytes(await loadSnapshotTree(context, session, name));
  }
}

/** Throws `usage` for anything but 64 hex digits. */
function parseId(text: string): Id {
  const isWellFormed: boolean = isId(text);
  if (isWellFormed) return text;
  if (text.length !== 64) throw fatalError(`unable to parse ID: invalid length for ID: ${quoteText(text)}`);
  const wrong = [...text].find((character) => !/[0-9a-f]/i.test(character)) ?? "";
  if (wrong === "") return text.toLowerCase();
  const codePoint = (wrong.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  throw fatalError(`unable to parse ID: invalid ID: encoding/hex: invalid byte: U+${codePoint} '${wrong}'`);
}

async function findSnapshot({ repository, signal }: Session, name: string): Promise<FoundSnapshot> {
  const { id, subfolder } = parseSnapshotArgument(name);
  try {
    return { snapshot: await findById(repository, id, signal), subfolder };
  } catch (error) {
    if (!hasErrorCode(error, "not-found", "ambiguous")) throw error;
    throw wrapError("could not find snapshot: ", error);
  }
}

/** A pack whose content is not what its name says is printed all the same: whoever repairs it needs it. */
async function loadPack({ output }: CommandContext, { repository, signal }: Session, id: Id): Promise<Uint8Array> {
  const content = await repository.backend.load({ type: "data", id }, { signal });
  const hash = toHex(repository.provider.sha256(content));
  if (hash !== id) output.error(`Warning: hash of data does not match ID, want\n  ${id}\ngot:\n  ${hash}`);
  return content;
}

async function loadAnyBlob(context: CommandContext, session: Session, id: Id): Promise<Uint8Array> {
  await loadIndex(context, session);
  const { repository, signal } = session;
  for (const type of ["data", "tree"] as const) {
    if (repository.index.has(type, id)) return repository.loadBlob(type, id, signal);
  }
  throw fatalError("blob not found");
}

async function loadSnapshotTree(context: CommandContext, session: Session, name: string): Promise<Uint8Array> {
  const { snapshot, subfolder } = await findSnapshot(session, name);
  await loadIndex(context, session);
  const { repository, signal } = session;
  const tree = await findSubfolder(repository, snapshot.tree, subfolder, signal);
  return repository.loadBlob("tree", tree, signal);
}
