/** `coffer key remove`. */
import { type Command, defineCommand } from "../cli/command.ts";
import { plainError } from "../cli/exit-status.ts";
import { withSession } from "../cli/session.ts";
import { removeKey } from "../repository/keys.ts";
import { resolveId } from "../repository/prefix.ts";

export const keyRemoveCommand: Command = defineCommand({
  name: "key remove",
  synopsis: "[ID]",
  description: "The key remove command removes a key. The one in use cannot be removed.",
  flags: {},
  async run(context, { operands }) {
    const [name] = operands;
    if (name === undefined || operands.length !== 1) {
      throw plainError("key remove expects one argument as the key id");
    }
    await withSession(context, { lock: "exclusive" }, async ({ repository, signal }) => {
      const id = await resolveId(name.text, () => repository.listIds("keys", signal));
      await removeKey(repository, id, signal);
      context.output.result(`removed key ${id}`);
    });
  },
});
