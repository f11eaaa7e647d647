/** Replays the selections that were tried with real restic: which items are in the target afterwards. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createExcludeFilter, createIncludeFilter, selectUnlessExcluded } from "../../../client/filter/select.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";
import { RestoreScene } from "../../support/restore-scene.ts";
import { readVectors } from "../../support/vectors.ts";

interface SelectionVectors {
  readonly backup_exclude: { readonly tree: readonly string[] };
  readonly restore_select: {
    readonly cases: readonly {
      readonly name: string;
      readonly include?: readonly string[];
      readonly iinclude?: readonly string[];
      readonly exclude?: readonly string[];
      readonly iexclude?: readonly string[];
      readonly subfolder?: string;
      readonly restored: readonly string[];
    }[];
  };
}

const vectors = readVectors<SelectionVectors>("exclude");

/** Nodes of what lies directly below `folder`, which ends with "/". */
function nodesBelow(scene: RestoreScene, paths: readonly string[], folder: string): TreeNode[] {
  return paths
    .filter((path) => path.startsWith(folder) && /^[^/]+\/?$/.test(path.slice(folder.length)))
    .map((path) => {
      const name = path.slice(folder.length);
      if (!name.endsWith("/")) return scene.file(name, path);
      return scene.dir(name.slice(0, -1), nodesBelow(scene, paths, path));
    });
}

/** Everything below a folder; folders end with "/". */
function listFolder(folder: string, prefix: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${prefix}${entry.name}`;
    return entry.isDirectory() ? [`${path}/`, ...listFolder(join(folder, entry.name), `${path}/`)] : [path];
  });
}

describe("selection of what is restored", () => {
  let scene: RestoreScene;

  beforeEach(() => {
    scene = new RestoreScene();
  });

  afterEach(() => scene.remove());

  for (const { name, restored, subfolder, ...flags } of vectors.restore_select.cases) {
    it(name, async () => {
      const { include = [], iinclude = [], exclude = [], iexclude = [] } = flags;
      const isInclude = include.length + iinclude.length > 0;
      const select = isInclude
        ? createIncludeFilter({ caseSensitive: include, caseInsensitive: iinclude })
        : selectUnlessExcluded(createExcludeFilter({ caseSensitive: exclude, caseInsensitive: iexclude }));
      const tree = scene.tree(nodesBelow(scene, vectors.backup_exclude.tree, "/"));
      const result = await scene.restore(tree, { select, subfolder });
      expect(result.errorCount).to.equal(0);
      const found = listFolder(scene.target, "/").sort();
      expect(found).to.deep.equal([...restored].sort());
      expect(result.filesRestored).to.equal(restored.length);
    });
  }
});
