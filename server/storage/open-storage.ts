/** The one place that knows which adapters there are: from the command line to repositories. */
import { access, constants } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CofferError } from "../../shared/errors.ts";
import { DiskProbe } from "./disk/disk-probe.ts";
import { DiskRepositories } from "./disk/disk-storage.ts";
import { failedWith, fileSystemError } from "./disk/file-system.ts";
import type { NameTurns } from "./name-turns.ts";
import type { StorageProbe } from "./probe.ts";
import type { Repositories, StoredUsage } from "./storage.ts";

/** A storage that is ready for its first request. */
export interface OpenedStorage {
  readonly repositories: Repositories;
  readonly probe: StorageProbe;
  /** What is stored, for its accounting. A list that waits for another machine is asynchronous. Throws `unavailable`. */
  usage(): Iterable<StoredUsage> | AsyncIterable<StoredUsage>;
  /** Other servers store there, too, in the normal course of things: what was counted once does not stay true. */
  readonly isShared: boolean;
  /** Throws `unavailable` when nothing could be stored now. Cheap enough for a health check. */
  readiness(): Promise<void>;
  /** Ends what is still running. */
  close(): Promise<void>;
}

export interface StorageChoice {
  /** `s3:...`; absent for the data folder. */
  readonly location?: string | undefined;
  /** Holds the repositories, or only uploads that are not whole yet when the repositories are elsewhere. */
  readonly dataFolder: string;
  readonly isGroupAccessible?: boolean;
  /** How many packs may use the disk at the same time. */
  readonly maxDiskTransfers?: number;
  /** The server has several processes. */
  readonly hasOtherProcesses?: boolean;
  /** Common to all processes of the server. Those of this process alone when absent. */
  readonly turns?: NameTurns | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Opens the storage, removes what earlier runs left, and finds out what it can do. Throws `usage` and `unavailable`. */
export async function openStorage(
  choice: StorageChoice,
  environment: Environment,
  log: (line: string) => void,
): Promise<OpenedStorage> {
  const { location, dataFolder, turns } = choice;
  if (location === undefined) return openDisk(choice, log);
  if (!location.startsWith("s3:")) {
    const got = JSON.stringify(location);
    throw new CofferError("usage", `--storage expected s3:..., got ${got}; a folder is given by --path`);
  }
  // Whoever stores on disk need not wait until all this is loaded.
  const [{ parseS3Settings }, { openS3 }] = await Promise.all([import("./s3/settings.ts"), import("./s3/open-s3.ts")]);
  const settings = parseS3Settings(location, environment);
  log(`Storage: S3 bucket ${settings.bucket} at ${settings.origin}, prefix ${JSON.stringify(settings.prefix)}`);
  const opened = await openS3(settings, join(dataFolder, ".coffer", "uploads"), log, {}, turns);
  const { repositories, usage, readiness, close } = opened;
  return { repositories, usage, isShared: true, readiness, close, probe: { readiness } };
}

async function openDisk(
  {
    dataFolder,
    isGroupAccessible = false,
    hasOtherProcesses = false,
    maxDiskTransfers: transfers,
    turns,
  }: StorageChoice,
  log: (line: string) => void,
): Promise<OpenedStorage> {
  const repositories = new DiskRepositories(dataFolder, { isGroupAccessible, hasOtherProcesses, transfers, turns });
  const swept = await repositories.sweep();
  if (swept > 0) log(`Removed ${swept} unfinished uploads of an earlier run`);
  return {
    repositories,
    probe: new DiskProbe(dataFolder),
    usage: () => repositories.measure(),
    isShared: false,
    readiness: () => requireWritable(dataFolder),
    close: async () => undefined,
  };
}

/** The folder is made by the first upload: until then, the one that it would be made in counts. */
async function requireWritable(folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const parent = dirname(folder);
    if (failedWith(error, "ENOENT") && parent !== folder) return requireWritable(parent);
    const { message } = fileSystemError(error, `cannot write to ${folder}`);
    throw new CofferError("unavailable", message, { cause: error });
  }
}
