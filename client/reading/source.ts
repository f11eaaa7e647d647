/** What reading many blobs needs of a repository. */
import type { Id } from "../../shared/format/layout.ts";
import type { BlobType } from "../../shared/format/pack.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import type { Backend } from "../backends/backend.ts";

/** One of the places where a blob is stored. */
export interface BlobPlace {
  readonly packId: Id;
  readonly offsetBytes: number;
  /** The sealed length. */
  readonly lengthBytes: number;
  /** The plaintext's length; 0 = not compressed. */
  readonly uncompressedBytes: number;
}

export interface BlobSource {
  readonly backend: Backend;
  readonly masterKey: SealingKey;
  readonly index: {
    /** All places of a blob, none when it is not stored. */
    lookup(type: BlobType, id: Id): readonly BlobPlace[];
    /** The size that a pack has by the index; undefined when the index does not know the pack. */
    packSizeOf(packId: Id): number | undefined;
  };
  /** Verified. Tries every place, then once more past the cache. Throws what the last try said. */
  loadBlob(type: BlobType, id: Id, signal?: AbortSignal): Promise<Uint8Array>;
  /** The same for a tree, decoded. */
  loadTree(id: Id, signal?: AbortSignal): Promise<TreeNode[]>;
}
