/** `coffer key add`. */
import { type Command, defineCommand } from "../cli/command.ts";
import { makeNewKey, newKeyFlags, refuseOperands } from "../cli/new-key.ts";
import { withSession } from "../cli/session.ts";
import { addKey } from "../repository/keys.ts";

export const keyAddCommand: Command = defineCommand({
  name: "key add",
  synopsis: "",
  description: "The key add command adds a key: the repository then opens with a further password.",
  flags: newKeyFlags,
  async run(context, { values, operands }) {
    refuseOperands("key add", operands);
    await withSession(context, { lock: "shared" }, async (session) => {
      const key = await makeNewKey(context, session, values);
      const id = await addKey(session.repository, key, session.signal);
      context.output.result(`saved new key with ID ${id}`);
    });
  },
});
