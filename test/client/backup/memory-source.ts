/** A file system in memory for the walk: folders, files, links and devices, without root and without a disk. */
import { absolutePath, folderOfPath, nameOfPath, toByteString } from "../../../client/backup/byte-paths.ts";
import type { Selection } from "../../../client/backup/options.ts";
import type { SourceFiles } from "../../../client/backup/source.ts";
import { arrangeTargets } from "../../../client/backup/targets.ts";
import { type FoundEntry, Walk, type WalkVisitor } from "../../../client/backup/walk.ts";
import type { FileStatus } from "../../../client/platform/file-status.ts";
import type { NodeType } from "../../../shared/format/tree-node.ts";

interface MemoryEntry {
  readonly type: NodeType;
  readonly content: Buffer;
  readonly device: bigint;
}

export class MemorySource implements SourceFiles {
  readonly #entries = new Map<string, MemoryEntry>();

  constructor() {
    this.#entries.set("/", { type: "dir", content: Buffer.alloc(0), device: 1n });
  }

  /** Adds a folder ("/a/"), a link ("/a@", content is its target) or a file, with the folders above it. */
  add(notation: string, content: string = "", device?: bigint): this {
    const type = notation.endsWith("/") ? "dir" : notation.endsWith("@") ? "symlink" : "file";
    const path = toByteString(Buffer.from(type === "file" ? notation : notation.slice(0, -1)));
    this.#addEntry(path, type, Buffer.from(content), device);
    return this;
  }

  #addEntry(path: string, type: NodeType, content: Buffer, device: bigint | undefined): void {
    const folder = folderOfPath(path);
    if (!this.#entries.has(folder)) this.#addEntry(folder, "dir", Buffer.alloc(0), undefined);
    const inherited = this.#entries.get(folder)?.device ?? 1n;
    this.#entries.set(path, { type, content, device: device ?? inherited });
  }

  linkStatus(path: Uint8Array): FileStatus {
    return this.#status(this.#resolve(toByteString(path), false), path);
  }

  targetStatus(path: Uint8Array): FileStatus {
    return this.#status(this.#resolve(toByteString(path), true), path);
  }

  list(path: Uint8Array): string[] {
    const folder = this.#resolve(toByteString(path), true);
    this.#status(folder, path);
    return [...this.#entries.keys()].filter((entry) => entry !== "/" && folderOfPath(entry) === folder).map(nameOfPath);
  }

  readLink(path: Uint8Array): Buffer {
    return this.#entry(toByteString(path)).content;
  }

  extendedAttributes(): [] {
    return [];
  }

  readBeginning(path: Uint8Array, lengthBytes: number): Buffer {
    return this.#entry(this.#resolve(toByteString(path), false)).content.subarray(0, lengthBytes);
  }

  /** Follows links in all components but the last, and in that one too if wanted. */
  #resolve(path: string, followLast: boolean): string {
    let resolved = "/";
    const components = path.split("/").filter((component) => component !== "");
    for (const [index, component] of components.entries()) {
      resolved = absolutePath(component, resolved);
      const entry = this.#entries.get(resolved);
      const isFollowed = followLast || index < components.length - 1;
      if (entry?.type === "symlink" && isFollowed) {
        resolved = absolutePath(toByteString(entry.content), folderOfPath(resolved));
      }
    }
    return resolved;
  }

  #entry(path: string): MemoryEntry {
    const entry = this.#entries.get(path);
    if (entry !== undefined) return entry;
    throw Object.assign(new Error(`ENOENT: no such file or directory, lstat '${path}'`), {
      code: "ENOENT",
      errno: -2,
      syscall: "lstat",
    });
  }

  #status(path: string, asked: Uint8Array): FileStatus {
    const { type, content, device } = this.#entry(path);
    return {
      type,
      mode: 0o644,
      inode: BigInt(asked.length),
      deviceId: device,
      links: 1,
      uid: 0,
      gid: 0,
      sizeBytes: content.length,
      device: 0n,
      mtimeNs: 0n,
      atimeNs: 0n,
      ctimeNs: 0n,
    };
  }
}

export const everything: Selection = { rejectByPath: () => false, rejectByStatus: () => false };

/** What a snapshot would hold: paths in it, folders with "/" at the end, links with "@". */
export function itemsOf(
  source: SourceFiles,
  targets: readonly string[],
  workingDirectory: string,
  selection: Selection = everything,
): { items: string[]; failures: string[] } {
  const items: string[] = [];
  const failures: string[] = [];
  const visitor: WalkVisitor<string> = {
    enterFolder: ({ name }, parent) => {
      items.push(`${parent}/${name}/`);
      return `${parent}/${name}`;
    },
    visitEntry: ({ name, status }: FoundEntry, parent) => {
      items.push(`${parent}/${name}${status.type === "symlink" ? "@" : ""}`);
    },
    leaveFolder: () => undefined,
    entryFailed: (path, error) => failures.push(`${path}: ${error.message}`),
    isReady: () => true,
  };
  const toBytesText = (text: string): string => toByteString(Buffer.from(text));
  const list = (path: string): string[] => source.list(Buffer.from(path, "latin1"));
  const arranged = arrangeTargets(targets.map(toBytesText), toBytesText(workingDirectory), list);
  const walk = new Walk<string>("", arranged, { source, selection, visitor });
  if (walk.run(() => true) !== "finished") throw new Error("the walk expected to finish");
  return { items: items.map((item) => Buffer.from(item, "latin1").toString()).sort(), failures };
}
