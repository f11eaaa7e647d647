/** A repository in memory and a folder on disk, and what a backup from one to the other told. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Backend } from "../../../client/backends/backend.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { backup } from "../../../client/backup/backup.ts";
import { toDisplay } from "../../../client/backup/byte-paths.ts";
import type { BackupEvents, BackupOptions, BackupResult, CompletedItem } from "../../../client/backup/options.ts";
import { createNodeProvider } from "../../../client/platform/node-provider.ts";
import { Repository } from "../../../client/repository/repository.ts";
import type { RepositoryVersion } from "../../../shared/format/config.ts";
import { encodeIndex, parseIndex } from "../../../shared/format/index-file.ts";
import type { Id } from "../../../shared/format/layout.ts";
import type { Snapshot } from "../../../shared/format/snapshot.ts";
import type { TreeNode } from "../../../shared/format/tree-node.ts";

const provider = createNodeProvider();
const masterKey = {
  encrypt: Uint8Array.from({ length: 32 }, (_, index) => index + 1),
  mac: { k: new Uint8Array(16).fill(7), r: new Uint8Array(16).fill(9) },
};

/** The repository as another run would open it: with its own index. */
export function openTestRepository(backend: Backend, version: RepositoryVersion = 2): Repository {
  return new Repository({
    backend,
    provider,
    config: { version, id: "ab".repeat(32), chunkerPolynomial: 0x3da3358b4dc173n },
    keyId: "cd".repeat(32),
    masterKey,
    sealer: provider.sealer(masterKey),
  });
}

export interface Told {
  readonly items: CompletedItem[];
  readonly failures: string[];
  readonly warnings: string[];
  bytesRead: number;
  readonly started: string[];
  scanned: readonly [number, number] | undefined;
}

export interface TestRun {
  readonly result: BackupResult;
  readonly told: Told;
}

export class BackupFixture {
  readonly folder: string = mkdtempSync(join(tmpdir(), "coffer-backup-"));
  readonly version: RepositoryVersion;
  backend: Backend;

  constructor(version: RepositoryVersion = 2) {
    this.version = version;
    this.backend = new MemoryBackend();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  open(): Repository {
    return openTestRepository(this.backend, this.version);
  }

  /** Saves the whole folder as ".". */
  async save(
    options: Partial<BackupOptions> = {},
    settings: { events?: BackupEvents; signal?: AbortSignal } = {},
  ): Promise<TestRun> {
    const told: Told = { items: [], failures: [], warnings: [], bytesRead: 0, started: [], scanned: undefined };
    const { events = {}, signal } = settings;
    const result = await backup(this.open(), this.options(options), { ...listen(told), ...events }, signal);
    return { result, told };
  }

  options(options: Partial<BackupOptions>): BackupOptions {
    return {
      targets: [Buffer.from(".")],
      workingDirectory: Buffer.from(this.folder),
      time: "2024-03-01T10:00:00Z",
      hostname: "test",
      username: "tester",
      programVersion: "coffer test",
      readConcurrency: 1,
      ...options,
    };
  }

  /** The parent that a second run has. */
  async parentOf({ result }: TestRun): Promise<Snapshot & { readonly id: Id }> {
    const id = result.snapshotId ?? "";
    const repository = this.open();
    return { ...(await repository.loadSnapshot(id)), id };
  }

  /** Nodes by path in the snapshot, with "/" at the end of folders. */
  async nodesOf(tree: Id): Promise<Map<string, TreeNode>> {
    const repository = this.open();
    await repository.loadIndex();
    const nodes = new Map<string, TreeNode>();
    const collect = async (id: Id, prefix: string): Promise<void> => {
      for (const node of await repository.loadTree(id)) {
        const path = `${prefix}/${Buffer.from(node.name)}`;
        nodes.set(node.type === "dir" ? `${path}/` : path, node);
        if (node.subtree !== undefined) await collect(node.subtree, path);
      }
    };
    await collect(tree, "");
    return nodes;
  }

  /** The content of a file as it is stored. */
  async contentOf(node: TreeNode | undefined): Promise<Buffer> {
    const repository = this.open();
    await repository.loadIndex();
    const chunks: Uint8Array[] = [];
    for (const id of node?.content ?? []) chunks.push(await repository.loadBlob("data", id));
    return Buffer.concat(chunks);
  }

  /** Rewrites the index so that it knows only packs of trees, as if all packs of data were lost. */
  async forgetDataPacks(): Promise<void> {
    const repository = this.open();
    for (const id of await repository.listIds("index")) {
      const { packs } = parseIndex(await repository.loadDocument("index", id));
      const kept = packs.filter(({ blobs }) => blobs.every(({ type }) => type === "tree"));
      await this.backend.remove({ type: "index", id });
      await repository.saveDocument("index", encodeIndex(kept));
    }
  }

  /** How many files of a type are stored. */
  async count(type: "data" | "index" | "snapshots"): Promise<number> {
    return (await this.backend.list(type)).length;
  }
}

function listen(told: Told): BackupEvents {
  return {
    itemCompleted: (item) => told.items.push(item),
    itemFailed: (_path, error, during) => told.failures.push(`${during}: ${error.message}`),
    warning: (text) => told.warnings.push(text),
    fileStarted: (path) => told.started.push(toDisplay(path)),
    bytesRead: (count) => {
      told.bytesRead += count;
    },
    scanFinished: (files, bytes) => {
      told.scanned = [files, bytes];
    },
  };
}

/** Paths of completed items with their action, sorted. */
export function actionsOf({ told }: TestRun): string[] {
  return told.items.map(({ action, path }) => `${action} ${toDisplay(path)}`).sort();
}
