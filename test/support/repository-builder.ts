/** Repositories made by hand in memory, so that tests can put anything into them: hostile trees, damaged packs. */

import { MemoryBackend } from "../../client/backends/memory.ts";
import { createNodeProvider } from "../../client/platform/node-provider.ts";
import { encodeDocument } from "../../shared/format/document.ts";
import { encodeIndex, type IndexPack } from "../../shared/format/index-file.ts";
import { type Id, pathOf } from "../../shared/format/layout.ts";
import { type BlobType, encodePackHeader, type PackEntry } from "../../shared/format/pack.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { encodeSnapshot } from "../../shared/format/snapshot.ts";
import { encodeTree } from "../../shared/format/tree.ts";
import { encodeNode, type TreeNode } from "../../shared/format/tree-node.ts";
import { idOf, PlainBlobSource } from "./blob-source.ts";

const provider = createNodeProvider();

interface PendingPack {
  readonly entries: PackEntry[];
  readonly sealed: Uint8Array[];
  sizeBytes: number;
}

export class RepositoryBuilder {
  readonly backend: MemoryBackend = new MemoryBackend({ hasAtomicReplace: true });
  readonly masterKey: SealingKey = {
    encrypt: provider.randomBytes(32),
    mac: { k: provider.randomBytes(16), r: provider.randomBytes(16) },
  };
  readonly #pending: Record<BlobType, PendingPack> = { data: emptyPack(), tree: emptyPack() };
  readonly #packs: IndexPack[] = [];

  /** Stores a blob as it is, also when it is no blob that a program would write. */
  add(type: BlobType, plaintext: Uint8Array, options: { compress?: boolean; id?: Id } = {}): Id {
    const pack = this.#pending[type];
    const id = options.id ?? idOf(plaintext);
    if (pack.entries.some((entry) => entry.id === id)) return id;
    const payload = options.compress === true ? provider.compress(plaintext, "auto") : plaintext;
    const sealed = this.seal(payload);
    const uncompressedBytes = options.compress === true ? plaintext.length : 0;
    pack.entries.push({ type, id, offsetBytes: pack.sizeBytes, lengthBytes: sealed.length, uncompressedBytes });
    pack.sealed.push(sealed);
    pack.sizeBytes += sealed.length;
    return id;
  }

  addTree(nodes: readonly TreeNode[]): Id {
    const sorted = [...nodes].sort((a, b) => Buffer.compare(a.name, b.name));
    return this.add("tree", encodeTree(sorted.map((node) => encodeNode(node))), { compress: true });
  }

  /** Ends the packs that are being filled; undefined where there was none. */
  endPacks(): { data: Id | undefined; tree: Id | undefined } {
    return { data: this.#endPack("data"), tree: this.#endPack("tree") };
  }

  /** Ends a single pack with everything that waits, trees behind data: old versions of restic wrote such packs. */
  endMixedPack(): Id | undefined {
    const { data, tree } = this.#pending;
    for (const entry of tree.entries) {
      data.entries.push({ ...entry, offsetBytes: data.sizeBytes });
      data.sizeBytes += entry.lengthBytes;
    }
    data.sealed.push(...tree.sealed);
    this.#pending.tree = emptyPack();
    return this.#endPack("data");
  }

  #endPack(type: BlobType): Id | undefined {
    const { entries, sealed } = this.#pending[type];
    if (entries.length === 0) return undefined;
    const header = this.seal(encodePackHeader(entries));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    const id = this.store("data", Buffer.concat([...sealed, header, length]));
    this.#packs.push({ id, blobs: entries });
    this.#pending[type] = emptyPack();
    return id;
  }

  /** Stores a file under its hash. */
  store(type: "data" | "index" | "snapshots", bytes: Uint8Array): Id {
    const id = idOf(bytes);
    this.backend.files.set(pathOf({ type, id }), Uint8Array.from(bytes));
    return id;
  }

  /** Ends all packs and writes one index of those that no index has yet. */
  writeIndex(): Id {
    this.endPacks();
    return this.storeIndex(this.#packs.splice(0));
  }

  storeIndex(packs: readonly IndexPack[]): Id {
    return this.store("index", this.#sealDocument(encodeIndex(packs)));
  }

  storeSnapshot(tree: Id): Id {
    const text = encodeSnapshot({ time: "2024-05-06T07:08:09Z", tree, paths: ["/x"], hostname: "h", username: "u" });
    return this.store("snapshots", this.#sealDocument(new TextEncoder().encode(text)));
  }

  async source(): Promise<PlainBlobSource> {
    this.writeIndex();
    return PlainBlobSource.open(this.backend, this.masterKey);
  }

  seal(plaintext: Uint8Array): Uint8Array {
    return provider.sealer(this.masterKey).seal(plaintext, provider.randomBytes(16));
  }

  /** Flips one bit of a stored file. */
  flip(type: "data" | "index" | "snapshots", id: Id, offset: number): void {
    const path = pathOf({ type, id });
    const bytes = Uint8Array.from(this.backend.files.get(path) ?? []);
    bytes[offset < 0 ? bytes.length + offset : offset]! ^= 1;
    this.backend.files.set(path, bytes);
  }

  #sealDocument(json: Uint8Array): Uint8Array {
    return this.seal(encodeDocument(json, 2, provider));
  }
}

function emptyPack(): PendingPack {
  return { entries: [], sealed: [], sizeBytes: 0 };
}
