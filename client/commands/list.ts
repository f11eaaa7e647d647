/** `coffer list`: the ids of the objects of one kind. */

import { parseIndex } from "../../shared/format/index-file.ts";
import type { FileType } from "../../shared/format/layout.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { plainError } from "../cli/exit-status.ts";
import { type Session, withSession } from "../cli/session.ts";
import { quoteText } from "../cli/text/quote.ts";

const fileTypeOf: Readonly<Record<string, FileType>> = {
  packs: "data",
  index: "index",
  snapshots: "snapshots",
  keys: "keys",
  locks: "locks",
};

export const listCommand: Command = defineCommand({
  name: "list",
  synopsis: "[blobs|packs|index|snapshots|keys|locks]",
  description: "The list command prints the ids of the objects of one kind.",
  flags: {},
  endsWithOutput: true,
  checkOperands(operands) {
    const [kind] = operands;
    if (kind === undefined || operands.length !== 1) {
      throw plainError(`accepts 1 arg(s), received ${operands.length}`);
    }
    if (kind !== "blobs" && fileTypeOf[kind] === undefined) {
      throw plainError(`invalid argument ${quoteText(kind)} for "coffer list"`);
    }
  },
  async run(context, { operands }) {
    const kind = operands[0]?.text ?? "";
    // Locks can be listed while one is in the way: that is when they are of interest.
    const lock = kind === "locks" ? "none" : "shared";
    await withSession(context, { lock, mayOmitLock: true }, async (session) => {
      const type = fileTypeOf[kind];
      if (type === undefined) await listBlobs(context, session);
      else await listFiles(context, session, type);
    });
  },
});

async function listFiles({ output }: CommandContext, { repository, signal }: Session, type: FileType): Promise<void> {
  for (const id of await repository.listIds(type, signal)) {
    output.result(id);
    await output.ready();
  }
}

/** Every entry of every index file, so that a blob in two packs is listed twice. */
async function listBlobs({ output }: CommandContext, { repository, signal }: Session): Promise<void> {
  await repository.listIds("snapshots", signal);
  for (const id of await repository.listIds("index", signal)) {
    const { packs } = parseIndex(await repository.loadDocument("index", id, signal));
    for (const { blobs } of packs) {
      if (blobs.length > 0) output.result(blobs.map((blob) => `${blob.type} ${blob.id}`).join("\n"));
      await output.ready();
      signal.throwIfAborted();
    }
  }
}
