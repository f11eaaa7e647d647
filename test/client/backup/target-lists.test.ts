/** Lists of targets, replayed on a disk: what the command line makes of them, and what the walk then finds. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { localSource } from "../../../client/backup/source.ts";
import { readTargetFiles } from "../../../client/cli/backup/files-from.ts";
import { readVectors } from "../../support/vectors.ts";
import { itemsOf } from "./memory-source.ts";

interface ListCase {
  readonly name: string;
  readonly args: readonly string[];
  readonly targets: readonly string[];
  readonly cwd: string;
  readonly list_files?: Readonly<Record<string, string>>;
  readonly restic_0_14: {
    readonly items: readonly string[];
    readonly stderr: readonly string[];
    readonly exit_code: number;
  };
}

const vectors = readVectors<{ other_selection: { cases: readonly ListCase[] } }>("exclude");
const kinds: Readonly<Record<string, string>> = {
  "--files-from": "filesFrom",
  "--files-from-verbatim": "filesFromVerbatim",
  "--files-from-raw": "filesFromRaw",
};

describe("client/backup: lists of targets", () => {
  const cases = vectors.other_selection.cases.filter(({ args, name }) => {
    return kinds[args[0] ?? ""] !== undefined && name !== "files-from-stdin";
  });
  const workingDirectory = process.cwd();
  let root: string;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "coffer-lists-"));
    const files = ["nb/f", "plain/f", "size/s0", "size/s1023", "size/s1024", "size/s1025"];
    for (const name of [...files, "v/ lead", "v/#c", "v/st*r", "v/star"]) {
      mkdirSync(dirname(join(root, "o", name)), { recursive: true });
      writeFileSync(join(root, "o", name), "");
    }
  });

  after(() => {
    process.chdir(workingDirectory);
    rmSync(root, { recursive: true });
  });

  /** The vectors were made in the root of a disk. */
  const relocate = (text: string): string => text.replaceAll("/o/", `${root}/o/`);

  for (const vector of cases) {
    it(vector.name, async () => {
      const { items, stderr, exit_code } = vector.restic_0_14;
      const [flag = "", list = ""] = vector.args;
      for (const [path, content] of Object.entries(vector.list_files ?? {})) {
        writeFileSync(relocate(path), relocate(content));
      }
      process.chdir(vector.cwd === "/" ? root : join(root, vector.cwd));
      const warnings: string[] = [];
      const files = { filesFrom: [], filesFromVerbatim: [], filesFromRaw: [], [kinds[flag] ?? ""]: [relocate(list)] };
      const reading = readTargetFiles(files, (text) => warnings.push(text));

      const refusals = stderr.filter((line) => !/does not match any|nothing to backup|does not exist/.test(line));
      if (exit_code !== 0 && refusals.length > 0) {
        const message = await reading.then(
          () => "",
          (error: unknown) => (error as Error).message,
        );
        for (const refusal of refusals) expect(message).to.include(relocate(refusal).replace("Fatal: ", ""));
        return;
      }
      const targets = [...(await reading).map(String), ...vector.targets.map(relocate)];
      const found = itemsOf(localSource, targets, process.cwd());
      // Above the root of the vectors' disk lies the folder of this test.
      const inside = found.items.map((item) => item.replace(root, "")).filter((item) => item.split("/").length > 2);
      const isBelowRoot = (item: string): boolean => items.includes(item) || item.includes("/o/");
      const expected = items.filter((item) => item.split("/").length > 2);
      expect(inside.filter(isBelowRoot)).to.deep.equal([...expected].sort());
      expect(warnings).to.deep.equal(stderr.filter((line) => line.includes("does not match any")).map(relocate));
    });
  }
});
