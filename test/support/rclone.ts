/** Starts `rclone serve restic` on a free loopback port over a local folder: a peer's server for our client. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface RcloneServer {
  /** Ends in a slash. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startRclone(dataPath: string): Promise<RcloneServer> {
  const child = spawn("rclone", ["serve", "restic", "--addr", "127.0.0.1:0", "--config", "/dev/null", dataPath], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    const lines: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      const match = /(http:\/\/127\.0\.0\.1:\d+\/)/.exec(line);
      if (match?.[1]) resolve(match[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`rclone ended with ${code}: ${lines.join("\n")}`)));
  });
  return {
    url,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}
