/**
 * Files on their way to a worker: columns of numbers and one text of names. A message then costs a few copies of memory, where
 * thousands of objects would have to be taken apart and put together again.
 */
import type { BytePath } from "./byte-path.ts";
import type { FileToWrite } from "./file-tasks.ts";
import type { XattrToSet } from "./item-metadata.ts";

export interface PackedFiles {
  /** For each file: number, slot, folder, flags, final size, uid, gid, mode. */
  readonly numbers: Float64Array;
  /** For each file: access time, modification time. */
  readonly times: BigInt64Array;
  /** Joined by "/", which is in no name. */
  readonly names: string;
  readonly folders: readonly BytePath[];
  /** Of the few files that have some. */
  readonly xattrs: readonly (readonly [file: number, xattrs: readonly XattrToSet[]])[];
}

const columns = 8;
const flag = { creates: 1, isNew: 2, leavesHoles: 4, hasFinalSize: 8, removesOtherXattrs: 16 } as const;

export function packFiles(files: readonly FileToWrite[]): PackedFiles {
  const numbers = new Float64Array(files.length * columns);
  const times = new BigInt64Array(files.length * 2);
  const folders: BytePath[] = [];
  const folderNumbers = new Map<BytePath, number>();
  const xattrs: [number, readonly XattrToSet[]][] = [];
  for (const [index, file] of files.entries()) {
    let folder = folderNumbers.get(file.folder);
    if (folder === undefined) {
      folder = folders.push(file.folder) - 1;
      folderNumbers.set(file.folder, folder);
    }
    const { metadata } = file;
    const row = index * columns;
    numbers[row] = file.number;
    numbers[row + 1] = file.slot;
    numbers[row + 2] = folder;
    numbers[row + 3] = flagsOf(file);
    numbers[row + 4] = file.finalSizeBytes ?? 0;
    numbers[row + 5] = metadata.uid;
    numbers[row + 6] = metadata.gid;
    numbers[row + 7] = metadata.mode;
    times[index * 2] = metadata.atimeNs;
    times[index * 2 + 1] = metadata.mtimeNs;
    if (metadata.xattrs.length > 0) xattrs.push([index, metadata.xattrs]);
  }
  return { numbers, times, names: files.map(({ name }) => name).join("/"), folders, xattrs };
}

function flagsOf(file: FileToWrite): number {
  return (
    (file.creates ? flag.creates : 0) |
    (file.isNew ? flag.isNew : 0) |
    (file.leavesHoles ? flag.leavesHoles : 0) |
    (file.finalSizeBytes === undefined ? 0 : flag.hasFinalSize) |
    (file.metadata.removesOtherXattrs ? flag.removesOtherXattrs : 0)
  );
}

export function unpackFiles({ numbers, times, names, folders, xattrs }: PackedFiles): FileToWrite[] {
  if (numbers.length === 0) return [];
  const xattrsOf = new Map(xattrs);
  const numberAt = (index: number): number => numbers[index] ?? 0;
  return names.split("/").map((name, index) => {
    const row = index * columns;
    const flags = numberAt(row + 3);
    return {
      number: numberAt(row),
      slot: numberAt(row + 1),
      name,
      folder: folders[numberAt(row + 2)] ?? "",
      creates: (flags & flag.creates) !== 0,
      isNew: (flags & flag.isNew) !== 0,
      leavesHoles: (flags & flag.leavesHoles) !== 0,
      finalSizeBytes: (flags & flag.hasFinalSize) === 0 ? undefined : numberAt(row + 4),
      metadata: {
        uid: numberAt(row + 5),
        gid: numberAt(row + 6),
        mode: numberAt(row + 7),
        atimeNs: times[index * 2] ?? 0n,
        mtimeNs: times[index * 2 + 1] ?? 0n,
        xattrs: xattrsOf.get(index) ?? noXattrs,
        removesOtherXattrs: (flags & flag.removesOtherXattrs) !== 0,
      },
    };
  });
}

const noXattrs: readonly XattrToSet[] = [];
