/** `coffer help [command]`. */
import { type Command, defineCommand } from "../cli/command.ts";
import { type CommandEntry, isParent, type ParentEntry } from "../cli/command-entry.ts";
import { commandHelp, parentHelp, programHelp, programUsage } from "../cli/help.ts";

export const helpCommand: Command = defineCommand({
  name: "help",
  synopsis: "[command]",
  description: "The help command explains a command, or lists all of them.",
  flags: {},
  needsNoPassword: true,
  async run({ output, commands }, { operands }) {
    const [name, childName] = operands.map(({ text }) => text);
    if (name === undefined) return output.result(programHelp(commands).join("\n"));
    const entry = commands.find((candidate) => candidate.name === name);
    if (entry === undefined) {
      output.error(`Unknown help topic [\`${name}\`]`);
      return output.error(programUsage(commands).join("\n"));
    }
    output.result((await helpOf(entry, childName)).join("\n"));
  },
});

async function helpOf(entry: CommandEntry | ParentEntry, childName: string | undefined): Promise<string[]> {
  if (!isParent(entry)) return commandHelp(await entry.load());
  const child = entry.children.find(({ name }) => name === childName);
  return child === undefined ? parentHelp(entry) : commandHelp(await child.load());
}
