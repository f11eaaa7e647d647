/** Repositories with very many objects, made on disk: uploading them would take an hour. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ObjectSet } from "./objects.ts";

const fileTypes = ["data", "index", "keys", "locks", "snapshots"];

/** Makes a repository with as many packs of one byte as the set says. Their names are ids, but of nothing. */
export async function seedList(repository: string, { name, count }: ObjectSet): Promise<void> {
  for (const type of fileTypes) mkdirSync(join(repository, type), { recursive: true });
  const made = new Set<string>();
  for (let i = 0; i < count; i++) {
    const id = createHash("sha256").update(`${name}-${i}`).digest("hex");
    const folder = join(repository, "data", id.slice(0, 2));
    if (!made.has(folder)) mkdirSync(folder, { recursive: true });
    made.add(folder);
    writeFileSync(join(folder, id), "x");
  }
}
