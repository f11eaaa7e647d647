/** `coffer unlock`. */
import { hostname } from "node:os";
import { booleanFlag } from "../cli/arguments/flag.ts";
import { type Command, defineCommand } from "../cli/command.ts";
import { reasonOf } from "../cli/exit-status.ts";
import { isProcessAlive } from "../cli/machine.ts";
import { withSession } from "../cli/session.ts";
import { removeLocks } from "../repository/unlock.ts";

const flags = {
  removeAll: booleanFlag({ name: "remove-all", help: "remove all locks, also those that are in use" }),
};

export const unlockCommand: Command = defineCommand({
  name: "unlock",
  synopsis: "",
  description:
    "The unlock command removes locks that programs have left behind: those that have not been refreshed for half an\n" +
    "hour, and those of processes of this machine that are gone. It also works on append-only servers.",
  flags,
  async run(context, { values }) {
    const { output } = context;
    await withSession(context, { lock: "none" }, async ({ repository, signal }) => {
      const removed = await removeLocks(repository, {
        removeAll: values.removeAll,
        nowMs: Date.now(),
        hostname: hostname(),
        isProcessAlive,
        onUnreadable: (id, error) =>
          output.error(
            `lock ${id.slice(0, 8)} cannot be read and is left alone (--remove-all removes it): ${reasonOf(error)}`,
          ),
        signal,
      });
      if (removed > 0) output.normal(`successfully removed ${removed} locks`);
    });
  },
});
