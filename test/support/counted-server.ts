/** Starts the server, as built unless told otherwise, as a child process on a free loopback port, and asks it how many connections it accepted. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

export interface CountedServer {
  readonly address: string;
  readonly pid: number;
  /** TCP connections accepted since the server started. */
  acceptedConnections(): Promise<number>;
  stop(): Promise<void>;
  /** Ends it without any notice. */
  kill(): Promise<void>;
}

export interface CountedServerOptions {
  /** The program to run; by default the built one. */
  readonly program?: string;
  /** 0: any free port. */
  readonly port?: number;
}

export async function startCountedServer(
  serverArguments: readonly string[],
  options: CountedServerOptions = {},
): Promise<CountedServer> {
  const child = spawn(
    process.execPath,
    [
      "--import",
      new URL("count-connections.ts", import.meta.url).href,
      options.program ?? `${projectFolder}/dist/server/main.js`,
      "--listen",
      `127.0.0.1:${options.port ?? 0}`,
      ...serverArguments,
    ],
    { stdio: ["ignore", "ignore", "pipe", "ipc"] },
  );
  const address = await readAddress(child);
  return {
    address,
    pid: child.pid ?? 0,
    acceptedConnections: async () => {
      const answer = once(child, "message");
      child.send("count");
      const [message] = (await answer) as [{ acceptedConnections: number }];
      return message.acceptedConnections;
    },
    stop: () => end(child, "SIGTERM"),
    kill: () => end(child, "SIGKILL"),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}

/** The address in the line `start server on ADDRESS`. */
function readAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stderr === null) throw new Error("the server's standard error is not a pipe");
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      const match = /^start server on (.*)$/.exec(line);
      if (match?.[1]) resolve(match[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${lines.join("\n")}`)));
  });
}
