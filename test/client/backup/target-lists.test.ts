import { readFileSync } from "node:fs";
import { expect } from "chai";
import { readTargetLists } from "../../../client/backup/target-lists.ts";
import { itemsOf, MemorySource } from "./memory-source.ts";

interface ListCase {
  readonly name: string;
  readonly args: readonly string[];
  readonly targets: readonly string[];
  readonly cwd: string;
  readonly list_files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly restic_0_14: {
    readonly items: readonly string[];
    readonly stderr: readonly string[];
    readonly exit_code: number;
  };
}

const vectors = JSON.parse(readFileSync(new URL("../../fixtures/vectors/exclude.json", import.meta.url), "utf8"));
const cases = (vectors.other_selection.cases as ListCase[]).filter(({ name }) =>
  /^(files-from|verbatim|raw)/.test(name),
);
const kinds = { "--files-from": "globs", "--files-from-verbatim": "verbatim", "--files-from-raw": "raw" } as const;

function vectorDisk(): MemorySource {
  const source = new MemorySource().add("/o/nb/f").add("/o/plain/f");
  for (const name of ["s0", "s1023", "s1024", "s1025"]) source.add(`/o/size/${name}`);
  return source.add("/o/v/ lead").add("/o/v/#c").add("/o/v/st*r").add("/o/v/star");
}

describe("client/backup/target-lists", () => {
  // That a list cannot be read at all is noticed by whoever reads it.
  const replayed = cases.filter(({ name }) => name !== "files-from-missing-file");

  it("replays the vectors of restic", () => {
    expect(replayed).to.have.length(17);
  });

  for (const vector of replayed) {
    it(vector.name, () => {
      const warnings: string[] = [];
      const source = vectorDisk();
      const [flag, file = ""] = vector.args;
      const content = Buffer.from(vector.list_files?.[file] ?? vector.stdin ?? "");
      const kind = kinds[flag as keyof typeof kinds];
      const read = (): string[] =>
        readTargetLists({ [kind]: [content] }, Buffer.from(vector.cwd), (text) => warnings.push(text), source).map(
          String,
        );
      const { items, stderr, exit_code } = vector.restic_0_14;
      const problems = stderr.filter((line) => !line.startsWith("Fatal: nothing to backup"));
      const isRefused = exit_code !== 0 && problems.length === stderr.length;
      if (isRefused) {
        expect(read).to.throw(/syntax error in pattern|trailing zero byte missing|empty filename/);
        return;
      }
      const targets = [...read(), ...vector.targets];
      const present = itemsOf(source, targets, vector.cwd);
      expect(present.items).to.deep.equal([...items].sort());
      // A target that does not exist is passed over later, with a warning of its own.
      expect(warnings).to.deep.equal(problems.filter((line) => !line.includes("does not exist")));
    });
  }

  function globs(list: string | Buffer, ...files: string[]): string[] {
    const source = new MemorySource();
    for (const file of files) source.add(file);
    const targets = readTargetLists({ globs: [Buffer.from(list)] }, Buffer.from("/w"), () => undefined, source);
    return targets.map(String);
  }

  it("decodes lists with a byte order mark", () => {
    expect(globs("\ufeff/w/a\n", "/w/a")).to.deep.equal(["/w/a"]);
    expect(globs(Buffer.from("\ufeff/w/a\n", "utf16le"), "/w/a")).to.deep.equal(["/w/a"]);
    expect(globs(Buffer.from("\ufeff/w/a\n", "utf16le").swap16(), "/w/a")).to.deep.equal(["/w/a"]);
  });

  it("trims the white space of Unicode", () => {
    expect(globs("\u00a0a\u2003\n", "/w/a")).to.deep.equal(["a"]);
  });

  it("expands several components, relative to the working directory", () => {
    const files = ["/w/x/a1", "/w/x/b1", "/w/y/a2", "/w/z"];
    expect(globs("*/a?", ...files)).to.deep.equal(["x/a1", "y/a2"]);
    expect(globs("../w/[xz]*", ...files)).to.deep.equal(["../w/x", "../w/z"]);
    expect(globs("/w/\\x/[^a]*", ...files)).to.deep.equal(["/w/x/b1"]);
    expect(globs("[y-x]", ...files)).to.deep.equal([]);
  });

  it("takes ? for one character, not one byte", () => {
    expect(globs("?", "/w/ü", "/w/ab")).to.deep.equal(["ü"]);
  });

  for (const pattern of ["[", "[]a]", "[a", "a\\", "[a-]", "[-a]", "x/[", "[^]"]) {
    it(`refuses the pattern ${pattern}`, () => {
      expect(() => globs(pattern))
        .to.throw(`pattern: ${pattern}: syntax error`)
        .with.property("code", "usage");
    });
  }
});
