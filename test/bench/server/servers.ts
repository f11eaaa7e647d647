/** The servers that are compared: each a process of its own on a free loopback port, over the same folder. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ServerProgram {
  readonly name: string;
  /** Without the folder. */
  readonly command: readonly string[];
  /** Put before the folder when it is an option. */
  readonly folderFlag?: string;
}

export interface RunningServer {
  readonly name: string;
  readonly pid: number;
  /** Ends in a slash. */
  readonly url: string;
  stop(): Promise<void>;
}

const builtServer = fileURLToPath(new URL("../../../dist/server/main.js", import.meta.url));

/** `preloaded`: modules that change the process before the server begins. */
export function cofferServer(
  name = "coffer",
  flags: readonly string[] = [],
  program: string = builtServer,
  preloaded: readonly URL[] = [],
): ServerProgram {
  const imports = preloaded.flatMap((module) => ["--import", module.href]);
  const command = [process.execPath, ...imports, program, "--listen", "127.0.0.1:0", "--no-auth", ...flags];
  return { name, command, folderFlag: "--path" };
}

export function restServer(program: string): ServerProgram {
  return {
    name: "rest-server",
    command: [program, "--listen", "127.0.0.1:0", "--no-auth"],
    folderFlag: "--path",
  };
}

export const rcloneServer: ServerProgram = {
  name: "rclone",
  command: ["rclone", "serve", "restic", "--addr", "127.0.0.1:0", "--config", "/dev/null"],
};

export function isInstalled(program: string): boolean {
  return spawnSync("which", [program]).status === 0;
}

/** Starts a server; its address is the first one that it prints. */
export async function startProgram(program: ServerProgram, folder: string): Promise<RunningServer> {
  const [executable = "", ...parameters] = program.command;
  const place = program.folderFlag === undefined ? [folder] : [program.folderFlag, folder];
  const child = spawn(executable, [...parameters, ...place], { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  const address = await new Promise<string>((resolve, reject) => {
    const lines: string[] = [];
    const look = (line: string): void => {
      lines.push(line);
      const match = /(127\.0\.0\.1:\d+)/.exec(line);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", look);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program.name} ended with ${code}: ${lines.join("\n")}`)));
  });
  return {
    name: program.name,
    pid: child.pid ?? 0,
    url: `http://${address}/`,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
