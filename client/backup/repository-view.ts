/** What a backup needs of a repository. */
import type { Config } from "../../shared/format/config.ts";
import type { Id } from "../../shared/format/layout.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { Backend } from "../backends/backend.ts";
import type { MasterIndex } from "../repository/master-index.ts";

export interface BackupRepository {
  readonly backend: Pick<Backend, "save" | "connections">;
  readonly config: Config;
  readonly masterKey: SealingKey;
  /** There after `loadIndex`. */
  readonly index: Pick<MasterIndex, "table" | "has">;
  /** A second call waits for the first. */
  loadIndex(): Promise<void>;
  loadTree(id: Id): Promise<readonly TreeNode[]>;
  /** Seals and saves a document; its id. */
  saveDocument(type: "snapshots" | "index", json: Uint8Array, signal?: AbortSignal): Promise<Id>;
}
