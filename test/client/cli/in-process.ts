/** The command line run inside the test's own process: all of it but the process's streams. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../../client/cli/run.ts";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { openBackend } from "../../../client/platform/open-backend.ts";
import { initializeRepository } from "../../../client/repository/initialization.ts";

export interface CallResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly env?: Readonly<Record<string, string>>;
}

/** Bytes are read as latin1 where they are not UTF-8. */
export async function call(parameters: readonly string[], { env = {} }: CallOptions = {}): Promise<CallResult> {
  const chunks: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  const exitCode = await runProgram({
    parameters,
    environment: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env },
    write: (stream, bytes, done) => {
      chunks[stream].push(Buffer.from(bytes));
      done(null, bytes.length);
    },
  });
  return {
    exitCode,
    stdout: Buffer.concat(chunks[1]).toString("utf8"),
    stderr: Buffer.concat(chunks[2]).toString("utf8"),
  };
}

export const testPassword = "geheim";

/** A folder that is removed by `remove`. */
export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export function makeTemporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "coffer-cli-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A repository whose key costs next to nothing, so that hundreds of runs can open it. */
export async function makeCheapRepository(path: string, version: 1 | 2 = 2): Promise<void> {
  const backend = await openBackend(path);
  const provider = createNodeProvider();
  try {
    await initializeRepository(backend, provider, {
      password: testPassword,
      version,
      username: "root",
      hostname: "srv1",
      created: "2024-01-01T00:00:00Z",
      parameters: { N: 1024, r: 8, p: 1 },
    });
  } finally {
    provider.dispose();
    await backend.close();
  }
}
