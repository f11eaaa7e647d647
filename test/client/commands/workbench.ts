/** A folder with repositories, and the command line pointed at one of them. */
import { join } from "node:path";
import { type CallResult, call, makeCheapRepository, makeTemporaryFolder, testPassword } from "../cli/in-process.ts";

export class Workbench {
  readonly folder: string;
  readonly #remove: () => void;
  env: Record<string, string> = {};
  #repositories = 0;

  constructor() {
    const { path, remove } = makeTemporaryFolder();
    this.folder = path;
    this.#remove = remove;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** The path of the repository in use, or of something in it. */
  repository(...parts: string[]): string {
    return join(this.env["RESTIC_REPOSITORY"] ?? "", ...parts);
  }

  async useNewRepository(version: 1 | 2 = 2): Promise<void> {
    this.#repositories += 1;
    this.env = {
      RESTIC_REPOSITORY: this.path(`repository-${this.#repositories}`),
      RESTIC_PASSWORD: testPassword,
      RESTIC_CACHE_DIR: this.path("cache"),
    };
    await makeCheapRepository(this.repository(), version);
  }

  /** Throws what the program said when it did not end with the expected exit code. */
  async run(
    parameters: readonly string[],
    exitCode = 0,
    env: Readonly<Record<string, string>> = {},
  ): Promise<CallResult> {
    const result = await call(parameters, { env: { ...this.env, ...env } });
    if (result.exitCode !== exitCode) {
      throw new Error(`exit code ${result.exitCode}, expected ${exitCode}\n${result.stdout}\n${result.stderr}`);
    }
    return result;
  }

  /** With the folder as working directory, so that snapshots do not hold the folders above it. */
  async runInside(parameters: readonly string[], exitCode = 0): Promise<CallResult> {
    const before = process.cwd();
    process.chdir(this.folder);
    try {
      return await this.run(parameters, exitCode);
    } finally {
      process.chdir(before);
    }
  }

  async lines(...parameters: string[]): Promise<string[]> {
    const { stdout } = await this.run(parameters);
    return stdout.split("\n").slice(0, -1);
  }

  remove(): void {
    this.#remove();
  }
}
