/** A repository made by hand, a target folder, and what a restore tells: the scene of restore tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RestoreOptions, RestoreResult } from "../../client/restore/options.ts";
import { restore } from "../../client/restore/restore.ts";
import type { Id } from "../../shared/format/layout.ts";
import { goModeOf } from "../../shared/format/mode.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { RepositoryBuilder } from "./repository-builder.ts";
import { fileNode } from "./tree-nodes.ts";

/** Owned by whoever runs the tests, so that they need not be root. */
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, user: "", group: "" };

export class RestoreScene {
  readonly folder: string = mkdtempSync(join(tmpdir(), "coffer-restore-"));
  readonly target: string = join(this.folder, "target");
  readonly builder: RepositoryBuilder = new RepositoryBuilder();
  /** `action path size`, in the order in which they were told. */
  items: string[] = [];
  /** `path: message`. */
  failures: string[] = [];

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  file(name: string, content: string | Uint8Array | readonly Uint8Array[], fields: Partial<TreeNode> = {}): TreeNode {
    const pieces = typeof content === "string" || content instanceof Uint8Array ? [Buffer.from(content)] : content;
    const ids = pieces.filter((piece) => piece.length > 0).map((piece) => this.builder.add("data", piece));
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    return fileNode(name, { ...own, content: ids, sizeBytes, ...fields });
  }

  dir(name: string, nodes: readonly TreeNode[], fields: Partial<TreeNode> = {}): TreeNode {
    const mode = goModeOf(0o040755);
    const subtree = this.builder.addTree(nodes);
    return fileNode(name, { ...own, type: "dir", mode, content: null, subtree, sizeBytes: 0, links: 0, ...fields });
  }

  link(name: string, to: string, fields: Partial<TreeNode> = {}): TreeNode {
    const mode = goModeOf(0o120777);
    const linkTarget = Buffer.from(to);
    return fileNode(name, { ...own, type: "symlink", mode, content: null, linkTarget, sizeBytes: 0, ...fields });
  }

  fifo(name: string, fields: Partial<TreeNode> = {}): TreeNode {
    const mode = goModeOf(0o010644);
    return fileNode(name, { ...own, type: "fifo", mode, content: null, sizeBytes: 0, links: 0, ...fields });
  }

  tree(nodes: readonly TreeNode[]): Id {
    return this.builder.addTree(nodes);
  }

  /** Restores a tree; what is told replaces what was told before. */
  async restore(tree: Id, options: Partial<RestoreOptions> = {}, signal?: AbortSignal): Promise<RestoreResult> {
    this.items = [];
    this.failures = [];
    return restore(
      await this.builder.source(),
      { snapshot: { tree }, target: Buffer.from(this.target), ...options },
      {
        itemRestored: (action, path, sizeBytes) => this.items.push(`${action} ${Buffer.from(path)} ${sizeBytes}`),
        itemFailed: (path, error) => this.failures.push(`${Buffer.from(path)}: ${error.message}`),
      },
      signal,
    );
  }
}
