/** How a process learns that it is one of several that serve. */
import process from "node:process";

const variable = "COFFER_SERVER_WORKER";

/** The environment of a worker, made from that of the process that starts it. */
export function workerEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...environment, [variable]: "1" };
}

/** True in a process that was started as a worker. The variable alone makes none: somebody has to be there who says what to do. */
export function isWorker(): boolean {
  return process.env[variable] === "1" && process.connected;
}
