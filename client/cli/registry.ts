/** All commands by name. Each is loaded when it is called for, so that a short one starts quickly. */
import type { CommandEntry, ParentEntry } from "./command-entry.ts";

const available = "Available Commands";

const keyCommands: readonly CommandEntry[] = [
  {
    name: "add",
    summary: "Add a key (a further password) to the repository",
    group: available,
    load: async () => (await import("../commands/key-add.ts")).keyAddCommand,
  },
  {
    name: "list",
    summary: "List the keys of the repository",
    group: available,
    load: async () => (await import("../commands/key-list.ts")).keyListCommand,
  },
  {
    name: "passwd",
    summary: "Change the password: add a new key and remove the one in use",
    group: available,
    load: async () => (await import("../commands/key-passwd.ts")).keyPasswdCommand,
  },
  {
    name: "remove",
    summary: "Remove a key from the repository",
    group: available,
    load: async () => (await import("../commands/key-remove.ts")).keyRemoveCommand,
  },
];

export const commandEntries: readonly (CommandEntry | ParentEntry)[] = [
  {
    name: "backup",
    summary: "Save files and folders as a new snapshot",
    group: available,
    load: async () => (await import("../commands/backup.ts")).backupCommand,
  },
  {
    name: "cat",
    summary: "Print an object of the repository",
    group: available,
    load: async () => (await import("../commands/cat.ts")).catCommand,
  },
  {
    name: "check",
    summary: "Look for errors in the repository",
    group: available,
    load: async () => (await import("../commands/check.ts")).checkCommand,
  },
  {
    name: "init",
    summary: "Make a new repository",
    group: available,
    load: async () => (await import("../commands/init.ts")).initCommand,
  },
  {
    name: "key",
    summary: "Manage keys (passwords)",
    description: "The key command manages the keys of a repository: each opens it with a password of its own.",
    group: available,
    children: keyCommands,
  },
  {
    name: "list",
    summary: "List objects of the repository",
    group: available,
    load: async () => (await import("../commands/list.ts")).listCommand,
  },
  {
    name: "ls",
    summary: "List the files of a snapshot",
    group: available,
    load: async () => (await import("../commands/ls.ts")).lsCommand,
  },
  {
    name: "restore",
    summary: "Bring files back from a snapshot",
    group: available,
    load: async () => (await import("../commands/restore.ts")).restoreCommand,
  },
  {
    name: "snapshots",
    summary: "List all snapshots",
    group: available,
    load: async () => (await import("../commands/snapshots.ts")).snapshotsCommand,
  },
  {
    name: "unlock",
    summary: "Remove locks that others have left behind",
    group: available,
    load: async () => (await import("../commands/unlock.ts")).unlockCommand,
  },
  {
    name: "options",
    summary: "List the options of the backends",
    group: "Advanced Options",
    load: async () => (await import("../commands/options.ts")).optionsCommand,
  },
  {
    name: "help",
    summary: "Explain a command",
    group: "Additional Commands",
    load: async () => (await import("../commands/help.ts")).helpCommand,
  },
  {
    name: "version",
    summary: "Print the version",
    group: "Additional Commands",
    load: async () => (await import("../commands/version.ts")).versionCommand,
  },
];
