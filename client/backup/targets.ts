/** From the targets that a user names to the shape of the root tree. Source: docs/cli.md, "From targets to the tree". */
import { CofferError } from "../../shared/errors.ts";
import { absolutePath, type ByteString, cleanPath, joinPath } from "./byte-paths.ts";

/** What the snapshot holds above and at the targets. Keys of `entries` are names in the snapshot. */
export interface TargetFolder {
  readonly entries: ReadonlyMap<ByteString, TargetEntry>;
}

export interface TargetEntry {
  /** On disk, absolute and cleaned. */
  readonly path: ByteString;
  /** True when it was named as a target, or stands for one like "." that was replaced by what it holds. */
  readonly isTarget: boolean;
  /** True when it was named literally: then no rule leaves it out. */
  readonly isExempt: boolean;
  /**
   * Parts of it that are targets themselves. Then it is stored as a folder, even where it is a link to one; it holds only these
   * parts, unless it is a target too.
   */
  readonly entries: ReadonlyMap<ByteString, TargetEntry>;
}

/** The names in a folder, as bytes, unsorted. Throws the system's error. */
export type ListNames = (path: ByteString) => readonly ByteString[];

interface OpenEntry extends TargetEntry {
  isTarget: boolean;
  isExempt: boolean;
  readonly entries: Map<ByteString, OpenEntry>;
}

/** One target, taken apart. */
interface ParsedTarget {
  readonly components: readonly ByteString[];
  /** How the path begins before its first component: "/", "." or "../..". Two names collide when their roots differ. */
  readonly root: ByteString;
  readonly isLiteral: boolean;
}

/**
 * Arranges targets as the snapshot shows them. A target without a name of its own (".", "..", "/") is replaced by what the folder
 * holds, which `list` tells. Equal names from different roots get "-1", "-2", ... in the order of the targets.
 */
export function arrangeTargets(
  targets: readonly ByteString[],
  workingDirectory: ByteString,
  list: ListNames,
): TargetFolder {
  const entries = new Map<ByteString, OpenEntry>();
  const roots = new Map<ByteString, ByteString>();
  for (const target of targets.flatMap((target) => parseTarget(target, workingDirectory, list))) {
    addTarget(entries, roots, target, workingDirectory);
  }
  return { entries };
}

/** The snapshot's `paths`: all targets, absolute and cleaned, in the order given, repetitions kept. */
export function snapshotPaths(targets: readonly ByteString[], workingDirectory: ByteString): ByteString[] {
  return targets.map((target) => absolutePath(target, workingDirectory));
}

function parseTarget(target: ByteString, workingDirectory: ByteString, list: ListNames): ParsedTarget[] {
  if (target === "") throw new CofferError("usage", "a target expected a path, got an empty name");
  const cleaned = cleanPath(target);
  const parsed = splitTarget(cleaned, true);
  if (parsed.components.length > 0) return [parsed];
  const names = [...list(absolutePath(cleaned, workingDirectory))].sort();
  return names.map((name) => splitTarget(joinPath(cleaned, name), false));
}

function splitTarget(cleaned: ByteString, isLiteral: boolean): ParsedTarget {
  const isAbsolute = cleaned.startsWith("/");
  const parts = cleaned.split("/").filter((part) => part !== "" && part !== ".");
  const firstName = parts.findIndex((part) => part !== "..");
  const components = firstName < 0 ? [] : parts.slice(firstName);
  const ascent = parts.slice(0, parts.length - components.length).join("/");
  return { components, root: isAbsolute ? "/" : ascent || ".", isLiteral };
}

function addTarget(
  topLevel: Map<ByteString, OpenEntry>,
  roots: Map<ByteString, ByteString>,
  target: ParsedTarget,
  workingDirectory: ByteString,
): void {
  let path = absolutePath(target.root, workingDirectory);
  let level = topLevel;
  for (const [depth, component] of target.components.entries()) {
    path = joinPath(path, component);
    const name = depth === 0 ? freeName(component, target.root, roots) : component;
    let entry = level.get(name);
    if (entry === undefined) {
      entry = { path, isTarget: false, isExempt: false, entries: new Map() };
      level.set(name, entry);
    }
    if (depth === target.components.length - 1) {
      entry.isTarget = true;
      entry.isExempt ||= target.isLiteral;
    }
    level = entry.entries;
  }
}

/** The name itself, or the first with a suffix that is free or belongs to the same root. */
function freeName(component: ByteString, root: ByteString, roots: Map<ByteString, ByteString>): ByteString {
  for (let number = 0; ; number++) {
    const name = number === 0 ? component : `${component}-${number}`;
    const owner = roots.get(name);
    if (owner !== undefined && owner !== root) continue;
    roots.set(name, root);
    return name;
  }
}
