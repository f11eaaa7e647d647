/**
 * The walk over everything that a backup saves, depth first, in byte order of names. It is synchronous and runs in slices, because
 * asking the system about one entry takes less time than handing the question to another thread.
 *
 * Only the folders on the way down to the current entry are held.
 */
import type { FileStatus } from "../platform/file-status.ts";
import { type ByteString, joinPath, toBytes } from "./byte-paths.ts";
import type { Selection } from "./options.ts";
import type { SourceFiles } from "./source.ts";
import type { TargetEntry, TargetFolder } from "./targets.ts";

/** An entry that belongs into the snapshot. */
export interface FoundEntry {
  /** In the snapshot: differs from that on disk for targets of equal names. */
  readonly name: ByteString;
  /** On disk, absolute. */
  readonly path: Buffer;
  readonly status: FileStatus;
  /** True for a folder that is there only because a target lies below it. */
  readonly isAboveTarget: boolean;
}

/** What is done with what the walk finds. `Folder` is the visitor's own record of an open folder. */
export interface WalkVisitor<Folder> {
  /** A folder that could be listed; its entries follow. */
  enterFolder(found: FoundEntry, parent: Folder): Folder;
  /** Anything but a folder. */
  visitEntry(found: FoundEntry, parent: Folder): void;
  /** All entries of the folder were visited or entered; also of the root. */
  leaveFolder(folder: Folder): void;
  /** An entry that should be there could not be looked at, or a folder not listed. It is left out. */
  entryFailed(path: Buffer, error: Error): void;
  /** False while entries of the folder cannot be taken yet; the walk then stops before the next one. */
  isReady(folder: Folder): boolean;
}

interface Frame<Folder> {
  readonly folder: Folder;
  /** Absolute path on disk; empty for the root, which has none. */
  readonly path: ByteString;
  readonly names: readonly ByteString[];
  /** The entries of this folder that targets name. */
  readonly targets: ReadonlyMap<ByteString, TargetEntry> | undefined;
  next: number;
}

/** `blocked`: the visitor is not ready for the next entry. */
export type WalkState = "more" | "blocked" | "finished";

export class Walk<Folder> {
  readonly #source: SourceFiles;
  readonly #selection: Selection;
  readonly #visitor: WalkVisitor<Folder>;
  readonly #stack: Frame<Folder>[];

  constructor(
    root: Folder,
    targets: TargetFolder,
    dependencies: { source: SourceFiles; selection: Selection; visitor: WalkVisitor<Folder> },
  ) {
    this.#source = dependencies.source;
    this.#selection = dependencies.selection;
    this.#visitor = dependencies.visitor;
    const names = [...targets.entries.keys()].sort();
    this.#stack = [{ folder: root, path: "", names, targets: targets.entries, next: 0 }];
  }

  /** Goes on until `mayContinue` says no (asked before each entry), the visitor is not ready, or everything was visited. */
  run(mayContinue: () => boolean): WalkState {
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      if (!this.#visitor.isReady(frame.folder)) return "blocked";
      if (!mayContinue()) return "more";
      this.#advance(frame);
    }
    return "finished";
  }

  #advance(frame: Frame<Folder>): void {
    const name = frame.names[frame.next++];
    if (name === undefined) {
      this.#stack.pop();
      this.#visitor.leaveFolder(frame.folder);
      return;
    }
    const target = frame.targets?.get(name);
    if (target !== undefined && target.entries.size > 0) this.#enterAboveTarget(frame, name, target);
    else this.#visit(frame, name, target);
  }

  /** A folder with targets below: what a link leads to counts, and no rule is asked. */
  #enterAboveTarget(frame: Frame<Folder>, name: ByteString, target: TargetEntry): void {
    const path = toBytes(target.path);
    const looked = this.#attempt(path, false, () => {
      const status = this.#source.targetStatus(path);
      const names = new Set(target.entries.keys());
      if (target.isTarget) for (const listed of this.#list(path)) names.add(listed);
      return { status, names: [...names] };
    });
    if (looked === undefined) return;
    const found = { name, path, status: looked.status, isAboveTarget: true };
    this.#enter(frame, found, target.path, looked.names, target.entries);
  }

  #visit(frame: Frame<Folder>, name: ByteString, target: TargetEntry | undefined): void {
    const pathText = target?.path ?? joinPath(frame.path, name);
    const path = toBytes(pathText);
    const isExempt = target?.isExempt ?? false;
    // What vanishes while its folder is read was never there for this snapshot; a missing target is another matter.
    const looked = this.#attempt(path, !isExempt, () => {
      if (!isExempt && this.#selection.rejectByPath(path)) return undefined;
      const status = this.#source.linkStatus(path);
      if (!isExempt && this.#selection.rejectByStatus(path, status)) return undefined;
      return { status, names: status.type === "dir" ? this.#list(path) : undefined };
    });
    if (looked === undefined) return;
    const found = { name, path, status: looked.status, isAboveTarget: false };
    if (looked.names === undefined) this.#visitor.visitEntry(found, frame.folder);
    else this.#enter(frame, found, pathText, looked.names, undefined);
  }

  /** Failures of the file system are the entry's; those of the visitor are not caught here. */
  #attempt<Result>(path: Buffer, mayVanish: boolean, look: () => Result): Result | undefined {
    try {
      return look();
    } catch (error) {
      if (mayVanish && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      this.#visitor.entryFailed(path, error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  #list(path: Buffer): ByteString[] {
    try {
      return this.#source.list(path);
    } catch (error) {
      throw new ListError(error as NodeJS.ErrnoException);
    }
  }

  #enter(
    frame: Frame<Folder>,
    found: FoundEntry,
    path: ByteString,
    names: ByteString[],
    targets: ReadonlyMap<ByteString, TargetEntry> | undefined,
  ): void {
    // The default order compares units, and each unit is a byte.
    names.sort();
    const folder = this.#visitor.enterFolder(found, frame.folder);
    this.#stack.push({ folder, path, names, targets, next: 0 });
  }
}

/** A folder's names could not be read. Carries the system's code, so that a vanished folder is recognised. */
export class ListError extends Error {
  readonly code: string | undefined;

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.message, { cause });
    this.code = cause.code;
  }
}
