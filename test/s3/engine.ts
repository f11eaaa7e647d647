/** The store that test/s3/run.sh has started, or that somebody has named. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";

/** Everything of this run is below this. */
const ownPrefix = `run-${randomBytes(4).toString("hex")}`;
let places = 0;

/** `swift`, `ceph`, or undefined for a store that we know nothing about. */
export const engineName: string | undefined = process.env["S3_ENGINE"];

/** A location in the bucket that nothing is below. */
export function freshLocation(): string {
  const { S3_LOCATION: location } = process.env;
  if (!location) throw new Error("S3_LOCATION expected s3:http://HOST/BUCKET: use npm run test:s3");
  places += 1;
  return `${location}/${ownPrefix}/${places}`;
}

/** Kills all processes of the store, or starts it again on what it has. Returns when that is done. */
export function controlEngine(verb: "kill9" | "restart"): void {
  const { S3_ENGINE_SCRIPT: script, S3_ENGINE_FOLDER: folder } = process.env;
  if (script === undefined || folder === undefined) throw new Error(`cannot ${verb} a store that others have started`);
  const { status, stderr } = spawnSync("bash", [script, verb, folder], { encoding: "utf8", timeout: 300_000 });
  if (status !== 0) throw new Error(`${verb} of the store failed: ${stderr}`);
}
