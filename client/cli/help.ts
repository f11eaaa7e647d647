/** The help: of the program, of a command, of a name with commands below it. */
import type { Flag, FlagTable } from "./arguments/flag.ts";
import type { Command } from "./command.ts";
import type { CommandEntry, CommandGroup, ParentEntry } from "./command-entry.ts";
import { globalFlags } from "./global-flags.ts";
import { programName } from "./program.ts";
import { quoteText } from "./text/quote.ts";

type Entries = readonly (CommandEntry | ParentEntry)[];

const groups: readonly CommandGroup[] = ["Available Commands", "Advanced Options", "Additional Commands"];

const programDescription =
  "Coffer saves folders as snapshots in an encrypted repository, on a local disk or on a server, and brings\n" +
  "them back. Repositories, flags, JSON and exit codes are restic's.";

const commonExitCodes = [
  "0 if the command was successful",
  "1 if there was an error",
  "10 if the repository does not exist",
  "11 if the repository is locked",
  "12 if the password is wrong",
  "130 if the command was interrupted",
];

/** Lines without line feeds. */
export function programHelp(entries: Entries): string[] {
  return ["", programDescription, "", ...programUsage(entries)];
}

/** The help without its first words: also shown for an unknown topic. */
export function programUsage(entries: Entries): string[] {
  const lists = groups.flatMap((group) => [
    `${group}:`,
    ...commandLines(entries.filter((entry) => entry.group === group)),
    "",
  ]);
  return [
    "Usage:",
    `  ${programName} [command]`,
    "",
    ...lists,
    "Flags:",
    ...flagLines({ ...globalFlags, help: helpFlagOf(programName) }),
    "",
    `Use "${programName} [command] --help" for more information about a command.`,
  ];
}

export function parentHelp(parent: ParentEntry): string[] {
  return [
    "",
    parent.description,
    "",
    "Usage:",
    `  ${programName} ${parent.name} [command]`,
    "",
    "Available Commands:",
    ...commandLines(parent.children),
    "",
    "Flags:",
    ...flagLines({ help: helpFlagOf(parent.name) }),
    "",
    "Global Flags:",
    ...flagLines(globalFlags),
    "",
    `Use "${programName} ${parent.name} [command] --help" for more information about a command.`,
  ];
}

export function commandHelp(command: Command): string[] {
  const exitCodes = [...commonExitCodes, ...(command.exitCodes ?? [])].sort(
    (left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10),
  );
  const shortName = command.name.split(" ").at(-1) ?? "";
  return [
    "",
    command.description,
    "",
    "EXIT STATUS",
    "===========",
    "",
    ...exitCodes.map((text) => `Exit status is ${text}.`),
    "",
    "Usage:",
    `  ${programName} ${command.name} [flags]${command.synopsis === "" ? "" : ` ${command.synopsis}`}`,
    "",
    "Flags:",
    ...flagLines({ ...command.flags, help: helpFlagOf(shortName) }),
    "",
    "Global Flags:",
    ...flagLines(globalFlags),
  ];
}

/** What an unknown name is answered with; several lines when similar names exist. */
export function unknownCommandMessage(name: string, suggestions: readonly string[]): string {
  const message = `unknown command ${quoteText(name)} for ${quoteText(programName)}`;
  if (suggestions.length === 0) return message;
  return [message, "", "Did you mean this?", ...suggestions.map((suggestion) => `\t${suggestion}`), ""].join("\n");
}

function helpFlagOf(subject: string): Flag<boolean> {
  return { name: "help", shorthand: "h", help: `help for ${subject}`, initial: false, add: () => true };
}

function commandLines(entries: Entries): string[] {
  const width = Math.max(11, ...entries.map((entry) => entry.name.length));
  return [...entries]
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .map((entry) => `  ${entry.name.padEnd(width)} ${entry.summary}`);
}

function flagLines(table: FlagTable): string[] {
  const shown = Object.values(table)
    .filter((flag) => flag.deprecated === undefined)
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const heads = shown.map((flag) => {
    const short = flag.shorthand === undefined ? "    " : `-${flag.shorthand}, `;
    return `  ${short}--${flag.name}${flag.placeholder === undefined ? "" : ` ${flag.placeholder}`}`;
  });
  const width = Math.max(...heads.map((head) => head.length));
  return shown.map((flag, index) => {
    const ending = flag.defaultText === undefined ? "" : ` (default ${flag.defaultText})`;
    return `${(heads[index] ?? "").padEnd(width)}   ${flag.help}${ending}`;
  });
}
