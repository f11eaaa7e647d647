/** The commands beside serving: `coffer-server policy …` and `coffer-server user …`. */
import { CofferError } from "../../shared/errors.ts";
import type { Command } from "./command.ts";
import { policyCheck, policyExplain } from "./policy-commands.ts";
import { userAdd, userList, userRemove } from "./user-commands.ts";

const commands: readonly Command[] = [policyCheck, policyExplain, userAdd, userList, userRemove];

/** Runs the command that the command line names; false when it names none and is about serving. */
export async function runCommand(parameters: readonly string[]): Promise<boolean> {
  const [group = "", name = ""] = parameters;
  const known = commands.filter((command) => command.name.startsWith(`${group} `));
  if (known.length === 0) return false;
  if (parameters.slice(1).some((parameter) => parameter === "--help" || parameter === "-h")) {
    process.stdout.write(`Usage:\n${usageLines(known)}\n`);
    return true;
  }
  const command = known.find((each) => each.name === `${group} ${name}`);
  if (command === undefined) {
    const names = known.map((each) => each.name).join(", ");
    throw new CofferError("usage", `expected one of ${names}, got ${JSON.stringify(`${group} ${name}`.trim())}`);
  }
  process.exitCode = await command.run(parameters.slice(2));
  return true;
}

/** For the help of the whole program. */
export function commandsHelp(): string {
  return `${usageLines(commands)}\n`;
}

function usageLines(listed: readonly Command[]): string {
  return listed.map(({ name, usage, help }) => `  coffer-server ${name} ${usage}\n      ${help}`).join("\n");
}
