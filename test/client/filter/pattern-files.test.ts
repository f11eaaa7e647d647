// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts are what users write, not templates
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { decodePath } from "../../../client/filter/path-text.ts";
import { parsePatternFile, readPatternFile } from "../../../client/filter/pattern-files.ts";
import { createExcludeFilter } from "../../../client/filter/select.ts";
import { readVectors } from "../../support/vectors.ts";

interface FileCase {
  readonly name: string;
  readonly exclude?: readonly string[];
  readonly exclude_file?: readonly string[];
  readonly iexclude_file?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly expect: { readonly excluded: readonly string[] };
}

const { tree, cases } = readVectors<{ backup_exclude: { tree: readonly string[]; cases: readonly FileCase[] } }>(
  "exclude",
).backup_exclude;

const parse = (text: string, environment: Record<string, string> = {}): string[] =>
  parsePatternFile(Buffer.from(text), environment);

describe("pattern files", () => {
  for (const test of cases.filter((one) => one.exclude_file || one.iexclude_file)) {
    it(`reads as restic does: ${test.name}`, () => {
      const patternsOf = (files: readonly string[] = []): string[] => files.flatMap((text) => parse(text, test.env));
      const filter = createExcludeFilter({
        caseSensitive: [...(test.exclude ?? []), ...patternsOf(test.exclude_file)],
        caseInsensitive: patternsOf(test.iexclude_file),
      });
      const gone: string[] = [];
      for (const item of tree.filter((path) => path.startsWith("/w/") && path !== "/w/")) {
        const isBelow = gone.some((path) => path.endsWith("/") && item.startsWith(path));
        if (isBelow || filter.excludes(item.replace(/[/@]$/, ""))) gone.push(item);
      }
      expect(gone).to.have.members(test.expect.excluded);
    });
  }

  it("expands variables as Go does", () => {
    const environment = { NAME: "value", n_1: "other", "a b": "blank" };
    const expanded = (text: string): string => parse(`x${text}x`, environment)[0] ?? "";
    expect(expanded("$NAME/")).to.equal("xvalue/x");
    expect(expanded("$NAMEx")).to.equal("x");
    expect(expanded("${NAME}")).to.equal("xvaluex");
    expect(expanded("${a b}")).to.equal("xblankx");
    expect(expanded("$n_1-")).to.equal("xother-x");
    expect(expanded("$$NAME")).to.equal("x$NAMEx");
    expect(expanded("${$}")).to.equal("x$x");
    expect(expanded("$1$@$?")).to.equal("xx");
    expect(expanded("$ $% $")).to.equal("x$ $% ");
    expect(expanded("${}")).to.equal("xx");
    expect(expanded("${NAME")).to.equal("xNAMEx");
    expect(expanded("$constructor/$__proto__/")).to.equal("x//x");
  });

  it("reads UTF-8 and UTF-16 with a byte order mark", () => {
    const utf16 = Buffer.from("\ufeffä*\n!b\r\n", "utf16le");
    expect(parsePatternFile(utf16, {})).to.deep.equal(["ä*", "!b"]);
    expect(parsePatternFile(Buffer.from(utf16).swap16(), {})).to.deep.equal(["ä*", "!b"]);
    expect(parsePatternFile(Buffer.from("\ufeff# x\n\ufeff"), {})).to.deep.equal([]);
  });

  it("keeps bytes that are not UTF-8 apart", () => {
    const patterns = parsePatternFile(Buffer.from("caf\xe9\n", "latin1"), {});
    const filter = createExcludeFilter({ caseSensitive: patterns, caseInsensitive: [] });
    expect(filter.excludes(decodePath(Buffer.from("/caf\xe9", "latin1")))).to.equal(true);
    expect(filter.excludes(decodePath(Buffer.from("/caf\xe8", "latin1")))).to.equal(false);
    expect(filter.excludes("/café")).to.equal(false);
  });

  describe("on disk", () => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-patterns-"));
    after(() => rmSync(folder, { recursive: true }));

    it("are read with the environment that is given", async () => {
      const name = join(folder, "patterns");
      writeFileSync(name, "# ours\n$A/b\n");
      expect(await readPatternFile(name, { A: "/a" })).to.deep.equal(["/a/b"]);
    });

    it("that are missing are named", async () => {
      const name = join(folder, "missing");
      const error: Error = await readPatternFile(name, {}).then(
        () => expect.fail("it was read"),
        (thrown: Error) => thrown,
      );
      expect(error.message).to.equal(
        `failed to read patterns from file "${name}": open ${name}: no such file or directory`,
      );
      expect(error).to.have.property("code", "usage");
    });
  });
});
