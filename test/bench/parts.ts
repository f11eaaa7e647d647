/** The parts of a benchmark program, chosen by name. */
import { rmSync } from "node:fs";
import { print } from "./table.ts";

export type Parts = Readonly<Record<string, () => Promise<void>>>;

/** Runs the parts whose names the list has, separated by commas, and removes the folder in which they work. Throws for a name that is none. */
export async function runParts(parts: Parts, list: string, folder: string): Promise<void> {
  try {
    for (const name of list.split(",")) {
      const part = parts[name];
      if (part === undefined)
        throw new Error(`unknown part "${name}", must be one of ${Object.keys(parts).join(", ")}`);
      print(`== ${name} ==\n`);
      await part();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
