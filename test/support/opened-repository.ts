/** Repositories on the local disk, opened as the command line opens them. */
import { LocalBackend } from "../../client/platform/local-backend.ts";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import { openRepository } from "../../client/repository/opening.ts";
import type { Repository } from "../../client/repository/repository.ts";
import { parseSnapshot, type Snapshot } from "../../shared/format/snapshot.ts";
import { expectExit, type ProgramOptions, runRestic } from "./programs.ts";

export const testPassword = "correct horse battery";

export async function openLocalRepository(path: string): Promise<Repository> {
  return openRepository(await LocalBackend.open(path), createNodeProvider(), { password: testPassword });
}

/** The snapshots of a repository, the oldest first. */
export async function loadSnapshots(repository: Repository): Promise<(Snapshot & { id: string })[]> {
  const ids = await repository.listIds("snapshots");
  const snapshots = await Promise.all(
    ids.map(async (id) => ({ ...parseSnapshot(await repository.loadDocument("snapshots", id)), id })),
  );
  return snapshots.sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** Runs restic on a repository; throws with what it printed unless it ends well. Without cache, without environment. */
export async function resticOn(
  repository: string,
  parameters: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const env = { ...options.env, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: testPassword };
  return expectExit(await runRestic(["--no-cache", ...parameters], { ...options, env })).stdout;
}
