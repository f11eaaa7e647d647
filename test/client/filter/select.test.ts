import { expect } from "chai";
import { lowerCase } from "../../../client/filter/path-text.ts";
import {
  createExcludeFilter,
  createIncludeFilter,
  invalidPatterns,
  selectUnlessExcluded,
} from "../../../client/filter/select.ts";
import { readVectors } from "../../support/vectors.ts";

interface ExcludeVectors {
  readonly unit_match: {
    readonly paths: readonly string[];
    readonly cases: readonly {
      pattern: string;
      matches: readonly string[];
      child_may_match: readonly string[] | "all other paths";
    }[];
  };
  readonly unit_lists: {
    readonly paths: readonly string[];
    readonly cases: readonly {
      patterns: readonly string[];
      rejected_as_exclude: readonly string[];
      matched_as_include: readonly string[];
      include_descend: readonly string[];
    }[];
  };
  readonly invalid_patterns: {
    readonly cases: readonly { name: string; exclude: readonly string[]; invalid_patterns: readonly string[] }[];
  };
  readonly restore_select: {
    readonly cases: readonly {
      name: string;
      include?: readonly string[];
      iinclude?: readonly string[];
      exclude?: readonly string[];
      iexclude?: readonly string[];
      subfolder?: string;
      restored: readonly string[];
    }[];
  };
  readonly backup_exclude: {
    readonly tree: readonly string[];
    readonly cases: readonly {
      name: string;
      cwd?: string;
      targets: readonly string[];
      exclude?: readonly string[];
      iexclude?: readonly string[];
      exclude_file?: readonly string[];
      iexclude_file?: readonly string[];
      expect?: { excluded?: readonly string[] };
      expect_0_19?: { excluded?: readonly string[] };
    }[];
  };
}

const vectors = readVectors<ExcludeVectors>("exclude");

const exclude = (...patterns: string[]) => createExcludeFilter({ caseSensitive: patterns, caseInsensitive: [] });
const include = (...patterns: string[]) => createIncludeFilter({ caseSensitive: patterns, caseInsensitive: [] });

describe("patterns", () => {
  for (const { pattern, matches, child_may_match: below } of vectors.unit_match.cases) {
    it(`matches ${JSON.stringify(pattern)} as restic does`, () => {
      const { paths } = vectors.unit_match;
      const filter = include(pattern);
      expect(paths.filter((path) => filter.selects(path))).to.deep.equal(matches);
      const others = paths.filter((path) => !matches.includes(path));
      const expected = below === "all other paths" ? others : below;
      expect(others.filter((path) => filter.mayDescend(path))).to.deep.equal(expected);
    });
  }

  for (const { patterns, ...expected } of vectors.unit_lists.cases) {
    it(`evaluates the list ${patterns.join(" ")} as restic does`, () => {
      const { paths } = vectors.unit_lists;
      const excluding = exclude(...patterns);
      const including = include(...patterns);
      expect({
        rejected_as_exclude: paths.filter((path) => excluding.excludes(path)),
        matched_as_include: paths.filter((path) => including.selects(path)),
        include_descend: paths.filter((path) => including.mayDescend(path)),
      }).to.deep.equal(expected);
    });
  }

  for (const { name, exclude: patterns, invalid_patterns: invalid } of vectors.invalid_patterns.cases) {
    it(`finds invalid patterns: ${name}`, () => {
      expect(invalidPatterns(patterns)).to.deep.equal(invalid);
      expect(() => exclude(...patterns))
        .to.throw()
        .with.property("code", "usage");
    });
  }

  it("finds invalid classes and escapes wherever they stand", () => {
    const invalid = ["[]", "[]a]", "[^]", "[^]a]", "[-x]", "[a-]", "[a", "[a-z", "x\\", "a/b\\", "[\\", "!["];
    expect(invalidPatterns([...invalid, "[^a]", "[\\]]", "[\\-x]", "a-]", "]", "", "!"])).to.deep.equal(invalid);
  });

  for (const test of vectors.restore_select.cases) {
    it(`selects for a restore: ${test.name}`, () => {
      const filter =
        test.include || test.iinclude
          ? createIncludeFilter({ caseSensitive: test.include ?? [], caseInsensitive: test.iinclude ?? [] })
          : selectUnlessExcluded(
              createExcludeFilter({ caseSensitive: test.exclude ?? [], caseInsensitive: test.iexclude ?? [] }),
            );
      const beginning = test.subfolder ?? "";
      const tree = vectors.backup_exclude.tree
        .filter((path) => path.startsWith(`${beginning}/`))
        .map((path) => path.slice(beginning.length))
        .filter((path) => path !== "/");
      expect(restoredOf(tree, filter)).to.have.members(test.restored);
    });
  }

  for (const test of vectors.backup_exclude.cases) {
    const isByFlags = !test.exclude_file && !test.iexclude_file && (test.cwd ?? "/") === "/";
    if (!isByFlags || test.targets.join() !== "/w") continue;
    const expected = (test.expect ?? test.expect_0_19)?.excluded;
    if (expected === undefined) continue;
    it(`leaves out of a backup: ${test.name}`, () => {
      const filter = createExcludeFilter({ caseSensitive: test.exclude ?? [], caseInsensitive: test.iexclude ?? [] });
      expect(excludedOf(vectors.backup_exclude.tree, filter.excludes)).to.have.members(expected);
    });
  }

  it("takes time in proportion to a name's length, however many stars there are", () => {
    const filter = exclude(`${"*a".repeat(40)}*b`);
    expect(filter.excludes(`/${"a".repeat(10_000)}`)).to.equal(false);
    expect(filter.excludes(`/${"a".repeat(10_000)}b`)).to.equal(true);
    expect(exclude(`${"*?".repeat(40)}[b]`).excludes(`/${"a".repeat(2000)}`)).to.equal(false);
    expect(exclude(`/${"**/".repeat(12)}b`).excludes(`/${"a/".repeat(40)}c`)).to.equal(false);
  });

  it("decides about 20,000 paths with 100 patterns without making a backup wait", () => {
    const patterns = Array.from(
      { length: 100 },
      (_, number) =>
        [`*.ext${number}`, `name${number}`, `/a/b${number}/**/c`, `x${number}*y?`, `dir${number}/sub`][number % 5] ??
        "",
    );
    const filter = exclude(...patterns);
    const begun = performance.now();
    let excluded = 0;
    for (let number = 0; number < 20_000; number++) {
      if (filter.excludes(`/home/user/folder${number % 100}/deeper/file-${number}.txt`)) excluded++;
    }
    const elapsedMs = performance.now() - begun;
    expect(excluded).to.equal(0);
    // Some 100 ms on a free core; the bound only tells it from something quadratic.
    expect(elapsedMs).to.be.below(5000);
  });

  it("compares without regard to case character by character", () => {
    expect(lowerCase("ÄÖÜ Σ İ ẞ ǅ")).to.equal("äöü σ i ß ǆ");
    const filter = createExcludeFilter({ caseSensitive: [], caseInsensitive: ["*.TXT", "Ä"] });
    expect(["/a.txt", "/B.Txt", "/ä/x", "/a"].filter(filter.excludes)).to.deep.equal(["/a.txt", "/B.Txt", "/ä/x"]);
  });
});

/** What a backup of the tree would lack: excluded items, and everything below excluded folders; targets stay. */
function excludedOf(tree: readonly string[], excludes: (path: string) => boolean): string[] {
  const gone: string[] = [];
  for (const item of tree.filter((path) => path.startsWith("/w/") && path !== "/w/")) {
    const isBelow = gone.some((path) => path.endsWith("/") && item.startsWith(path));
    if (isBelow || excludes(plain(item))) gone.push(item);
  }
  return gone;
}

/** What a restore would leave in its target: selected items that can be reached, and the folders above them. */
function restoredOf(
  tree: readonly string[],
  { selects, mayDescend }: { selects(path: string): boolean; mayDescend(path: string): boolean },
): string[] {
  const restored = new Set<string>();
  for (const item of tree) {
    const folders = foldersAbove(item);
    if (!folders.every((folder) => mayDescend(plain(folder))) || !selects(plain(item))) continue;
    for (const path of [...folders, item]) restored.add(path);
  }
  return [...restored];
}

function foldersAbove(path: string): string[] {
  const components = plain(path).split("/").slice(1, -1);
  return components.map((_, index) => `/${components.slice(0, index + 1).join("/")}/`);
}

function plain(path: string): string {
  return path.replace(/[/@]$/, "");
}
