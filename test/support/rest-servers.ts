/** Coffer's server and, where there is one on PATH, the real rest-server: the same command line for both. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ServerProgram {
  readonly name: "coffer-server" | "rest-server";
  readonly command: readonly string[];
}

const cofferServer: ServerProgram = {
  name: "coffer-server",
  command: [process.execPath, fileURLToPath(new URL("../../server/main.ts", import.meta.url))],
};

const realServer: ServerProgram = { name: "rest-server", command: ["rest-server"] };

/** The programs that are here: always ours, and rest-server to see that what the tests say is true of both. */
export const serverPrograms: readonly ServerProgram[] =
  spawnSync("which", ["rest-server"]).status === 0 ? [cofferServer, realServer] : [cofferServer];

export interface LaunchSettings {
  /** Octal. */
  readonly umask?: string;
  /** Sockets that the server gets as systemd passes them: from descriptor 3 on. */
  readonly sockets?: readonly Server[];
  /** What LISTEN_PID says instead of the server's own number. */
  readonly listenPid?: string;
}

/** A server that was told to start: it serves, or it has ended. */
export class LaunchedServer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly lines: string[] = [];
  stdout = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "close");
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
  }

  /** Resolves when the server serves or has ended. */
  async settle(): Promise<void> {
    const { stderr } = this.#child;
    if (stderr === null) throw new Error("standard error is not a pipe");
    const serves = new Promise<void>((resolve) => {
      createInterface({ input: stderr }).on("line", (line) => {
        this.lines.push(line);
        if (/^(?:start server on |systemd socket activation mode)/.test(line)) resolve();
      });
    });
    await Promise.race([serves, this.#ended]);
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get port(): number {
    const address = this.lines.find((line) => line.startsWith("start server on ")) ?? "";
    return Number(/:(\d+)$/.exec(address)?.[1] ?? 0);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit code of a server that ends by itself. */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** SIGTERM, and the exit code. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
    await this.#ended;
    return this.#child.exitCode;
  }

  /** Waits for a line that is written at some time after something else. */
  async waitForLine(pattern: RegExp): Promise<void> {
    for (let i = 0; i < 1000; i++) {
      if (this.lines.some((line) => pattern.test(line))) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`waited ten seconds for ${pattern}, got\n${this.lines.join("\n")}`);
  }
}

export async function launch(
  program: ServerProgram,
  parameters: readonly string[],
  { umask = "022", sockets = [], listenPid }: LaunchSettings = {},
): Promise<LaunchedServer> {
  // exec keeps the process, so that $$ is the number that the server will have.
  const listening = sockets.length === 0 ? "" : `LISTEN_FDS=${sockets.length} LISTEN_PID=${listenPid ?? "$$"}; `;
  const script = `umask ${umask}; ${listening}${listening && "export LISTEN_FDS LISTEN_PID; "}exec "$@"`;
  const child = spawn("sh", ["-c", script, "sh", ...program.command, ...parameters], {
    stdio: ["ignore", "pipe", "pipe", ...sockets.map((socket) => (socket as unknown as { _handle: never })._handle)],
  });
  const server = new LaunchedServer(child);
  await server.settle();
  return server;
}
