/** What reading many blobs needs of a repository. */
import type { Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { Backend } from "../backends/backend.ts";
import type { MasterIndex } from "../repository/master-index.ts";

export interface BlobSource {
  readonly backend: Backend;
  readonly masterKey: SealingKey;
  /** Loaded. */
  readonly index: Pick<MasterIndex, "lookup" | "packAt" | "packSizeOf" | "table">;
  /** Verified. Tries every place, then once more past the cache. Throws what the last try said. */
  loadBlob(type: BlobType, id: Id, signal?: AbortSignal): Promise<Uint8Array>;
  /** The same for a tree, decoded. */
  loadTree(id: Id, signal?: AbortSignal): Promise<TreeNode[]>;
}
