/** Starts the built server as a child process on a free loopback port, and asks it how many connections it accepted. */
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
}

export async function startCountedServer(serverArguments: readonly string[]): Promise<CountedServer> {
  const child = spawn(
    process.execPath,
    [
      "--import",
      new URL("count-connections.ts", import.meta.url).href,
      `${projectFolder}/dist/server/main.js`,
      "--listen",
      "127.0.0.1:0",
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
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
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
