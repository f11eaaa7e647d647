/** `coffer key passwd`. */
import { formatLong } from "../../shared/format/time.ts";
import { type Command, defineCommand } from "../cli/command.ts";
import { makeNewKey, newKeyFlags, refuseOperands } from "../cli/new-key.ts";
import { withSession } from "../cli/session.ts";
import { localTimeZone } from "../platform/time-zone.ts";
import { changePassword } from "../repository/keys.ts";

export const keyPasswdCommand: Command = defineCommand({
  name: "key passwd",
  synopsis: "",
  description:
    "The key passwd command changes the password: it adds a key with the new one, verifies it, and removes the key in use.",
  flags: newKeyFlags,
  async run(context, { values, operands }) {
    refuseOperands("key passwd", operands);
    await withSession(context, { lock: "exclusive" }, async (session) => {
      const key = await makeNewKey(context, session, values);
      await changePassword(session.repository, key, session.signal);
      const description = `<Key of ${key.username}@${key.hostname}, created on ${formatLong(key.created, localTimeZone())}>`;
      context.output.result(`saved new key as ${description}`);
    });
  },
});
