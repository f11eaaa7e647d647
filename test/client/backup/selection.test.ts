import { readFileSync } from "node:fs";
import { expect } from "chai";
import { createSelection, type SelectionRules } from "../../../client/backup/selection.ts";
import { parseSize } from "../../../client/backup/size-text.ts";
import { itemsOf, MemorySource } from "./memory-source.ts";

interface SelectionCase {
  readonly name: string;
  readonly args: readonly string[];
  readonly targets: readonly string[];
  readonly cwd: string;
  readonly restic_0_14: {
    readonly items?: readonly string[];
    readonly items_incl_symlinks?: readonly string[];
    readonly stderr?: readonly string[];
    readonly exit_code: number;
  };
  readonly expect_0_19?: { readonly items?: readonly string[]; readonly exit_code?: number };
}

const vectors = JSON.parse(readFileSync(new URL("../../fixtures/vectors/exclude.json", import.meta.url), "utf8"));
const cases = vectors.other_selection.cases as SelectionCase[];
const signature = "Signature: 8a477f597d28d172789f06886806bc55";

/** The disk that the vectors were made on, as far as the cases that are replayed here see it. */
function vectorDisk(): MemorySource {
  return new MemorySource()
    .add("/o/nb/.nobackup")
    .add("/o/nb/f")
    .add("/o/nb/sub/g")
    .add("/o/tagdir/.nobackup/")
    .add("/o/tagdir/f")
    .add("/o/lnktag/.nobackup@", "nowhere")
    .add("/o/lnktag/f")
    .add("/o/hdr/TAG", "skip:me please")
    .add("/o/hdr/f")
    .add("/o/hdr2/TAG", "ski")
    .add("/o/hdr2/f")
    .add("/o/cache/CACHEDIR.TAG", `${signature}\n# made by a test\n`)
    .add("/o/cache/f")
    .add("/o/badcache/CACHEDIR.TAG", "Signature: 8a47")
    .add("/o/badcache/f")
    .add("/o/longbad/CACHEDIR.TAG", "x".repeat(100))
    .add("/o/longbad/f")
    .add("/o/emptytag/CACHEDIR.TAG")
    .add("/o/emptytag/f")
    .add("/o/plain/f")
    .add("/o/size/s0")
    .add("/o/size/s1023", "x".repeat(1023))
    .add("/o/size/s1024", "x".repeat(1024))
    .add("/o/size/s1025", "x".repeat(1025))
    .add("/o/fs/a")
    .add("/o/fs/mnt/", "", 2n)
    .add("/o/fs/mnt/inside", "", 2n)
    .add("/o/fs/mnt/d/deep", "", 2n)
    .add("/x/d/f", "x".repeat(21))
    .add("/x/d/short@", "ab")
    .add("/x/d/long@", "l".repeat(30));
}

/** The rules that the flags of a case stand for. Throws what the command line would report. */
function rulesOf(args: readonly string[]): SelectionRules {
  const excludeIfPresent: string[] = [];
  let rules: SelectionRules = {};
  for (let index = 0; index < args.length; index++) {
    const flag = args[index];
    if (flag === "--exclude-caches") rules = { ...rules, excludeCaches: true };
    else if (flag === "-x") rules = { ...rules, oneFileSystem: true };
    else if (flag === "--exclude-if-present") excludeIfPresent.push(args[++index] ?? "");
    else if (flag === "--exclude-larger-than") {
      rules = { ...rules, excludeLargerThanBytes: parseSize(args[++index] ?? "") };
    }
  }
  return { ...rules, excludeIfPresent };
}

describe("client/backup/selection", () => {
  const replayed = cases.filter(({ name }) => !/^(files-from|verbatim|raw|stdin)/.test(name));

  it("replays all cases of the vectors but those of target lists", () => {
    expect(replayed.map(({ name }) => name)).to.have.length(32);
  });

  for (const vector of replayed) {
    it(vector.name, () => {
      const warnings: string[] = [];
      const source = vectorDisk();
      const run = (): string[] => {
        const targets = vector.targets.map((target) => Buffer.from(target));
        const rules = rulesOf(vector.args);
        const selection = createSelection(
          rules,
          targets,
          Buffer.from(vector.cwd),
          (text) => warnings.push(text),
          source,
        );
        return itemsOf(source, vector.targets, vector.cwd, selection).items;
      };
      const { items, items_incl_symlinks, stderr = [], exit_code } = { ...vector.restic_0_14, ...vector.expect_0_19 };
      if (exit_code !== 0) {
        const [expected = /out of range/] = vector.expect_0_19 === undefined ? stderr : [];
        expect(run).to.throw(expected).with.property("code", "usage");
      } else if (items_incl_symlinks !== undefined) {
        expect(run().map((item) => item.replace("@", ""))).to.deep.equal([...items_incl_symlinks].sort());
      } else {
        expect(run().filter((item) => !item.endsWith("@"))).to.deep.equal([...(items ?? [])].sort());
        expect(warnings.sort()).to.deep.equal([...stderr].sort());
      }
    });
  }

  it("leaves out the cache folder and everything in it, and nothing beside it", () => {
    const source = new MemorySource().add("/h/.cache/coffer/x/y").add("/h/.cache/coffer2/z");
    const rules = { cacheDirectory: Buffer.from("/h/.cache/coffer") };
    const selection = createSelection(rules, [], Buffer.from("/"), () => undefined, source);
    const { items } = itemsOf(source, ["/h"], "/", selection);
    expect(items).to.deep.equal(["/h/", "/h/.cache/", "/h/.cache/coffer2/", "/h/.cache/coffer2/z"]);
  });

  it("does not exclude what is named as target, but what is below it", () => {
    const source = new MemorySource().add("/a/b").add("/c");
    const selection = createSelection(
      { excludesPath: () => true },
      [Buffer.from("/a")],
      Buffer.from("/"),
      () => undefined,
      source,
    );
    expect(itemsOf(source, ["/a", "/c"], "/", selection).items).to.deep.equal(["/a/", "/c"]);
  });

  it("asks for a tag file once in each folder", () => {
    const warnings: string[] = [];
    const source = new MemorySource();
    for (let number = 0; number < 10; number++) source.add(`/d/f${number}`);
    source.add("/d/TAG", "other");
    const rules = { excludeIfPresent: ["TAG:head"] };
    const selection = createSelection(rules, [], Buffer.from("/"), (text) => warnings.push(text), source);
    expect(itemsOf(source, ["/d"], "/", selection).items).to.have.length(12);
    expect(warnings).to.deep.equal(['invalid signature in exclusion tagfile "/d/TAG"']);
  });
});

describe("client/backup/size-text", () => {
  it("reads sizes with one letter", () => {
    expect(parseSize("")).to.equal(undefined);
    expect(parseSize("0")).to.equal(0);
    expect(parseSize("17b")).to.equal(17);
    expect(parseSize("2K")).to.equal(2048);
    expect(parseSize("3m")).to.equal(3 << 20);
    expect(parseSize("1G")).to.equal(1 << 30);
    expect(parseSize("2t")).to.equal(2 * 2 ** 40);
  });

  for (const text of ["x", "1.5k", "1kk", "1KiB", " 1", "-1", "-1k", "9999999999T", "99999999999999999999", "k"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseSize(text))
        .to.throw(/invalid syntax|out of range/)
        .with.property("code", "usage");
    });
  }
});
