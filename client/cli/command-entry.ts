/** What is known of a command before it is loaded. */
import type { Command } from "./command.ts";

export type CommandGroup = "Available Commands" | "Advanced Options" | "Additional Commands";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: CommandGroup;
  readonly load: () => Promise<Command>;
}

/** A name that has commands below it. */
export interface ParentEntry {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly group: CommandGroup;
  readonly children: readonly CommandEntry[];
}

export function isParent(entry: CommandEntry | ParentEntry): entry is ParentEntry {
  return "children" in entry;
}
