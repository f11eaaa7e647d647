/** `coffer options`: what `-o` understands. */
import { type Command, defineCommand } from "../cli/command.ts";

const extendedOptions: readonly (readonly [name: string, meaning: string])[] = [
  ["local.connections", "how many operations may run at the same time (default: 2)"],
  ["rest.connections", "how many connections to the server may be open at the same time (default: 5)"],
];

export const optionsCommand: Command = defineCommand({
  name: "options",
  synopsis: "",
  description: "The options command lists the options of the backends, which are given as -o key=value.",
  flags: {},
  needsNoPassword: true,
  async run({ output }) {
    const width = Math.max(...extendedOptions.map(([name]) => name.length));
    const lines = extendedOptions.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`);
    output.result(["All Extended Options:", ...lines].join("\n"));
  },
});
