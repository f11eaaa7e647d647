/** A program that saves files into the local repository given to it until it is killed, and prints each id once it is saved. */
import { createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { LocalBackend } from "../../../client/platform/local-backend.ts";

const backend = await LocalBackend.open(process.argv[2] ?? "");
for (;;) {
  const content = randomBytes(300_000);
  const id = createHash("sha256").update(content).digest("hex");
  await backend.save({ type: "data", id }, content);
  writeSync(1, `${id}\n`);
}
