/** Which entries a backup leaves out, built from the flags of the command line. Source: docs/cli.md, selection in backup. */
import { decodePath } from "../filter/path-text.ts";
import { type FileStatus, linkStatus } from "../platform/file-status.ts";
import {
  absolutePath,
  type ByteString,
  displayBytes,
  folderOfPath,
  isInside,
  toByteString,
  toBytes,
} from "./byte-paths.ts";
import type { Selection } from "./options.ts";
import { localSource, type SourceFiles } from "./source.ts";
import { cacheTagRule, TagFileRule } from "./tag-files.ts";

export interface SelectionRules {
  /** From the patterns of `--exclude` and its relatives; the path is absolute, as `decodePath` gives it. */
  readonly excludesPath?: ((path: string) => boolean) | undefined;
  /** NAME or NAME:HEADER, one for each `--exclude-if-present`. */
  readonly excludeIfPresent?: readonly string[] | undefined;
  readonly excludeCaches?: boolean | undefined;
  /** Anything but a folder that is larger is left out. A link has the size of its target's path. */
  readonly excludeLargerThanBytes?: number | undefined;
  /** Stay on the devices of the targets. */
  readonly oneFileSystem?: boolean | undefined;
  /** The client's own cache: always left out. Absolute. */
  readonly cacheDirectory?: Uint8Array | undefined;
}

/**
 * The rules as one selection. Targets are needed for `oneFileSystem`; those that do not exist are passed over. Throws `usage` on
 * rules that make no sense, and the system's error when a target's device cannot be told.
 */
export function createSelection(
  rules: SelectionRules,
  targets: readonly Uint8Array[],
  workingDirectory: Uint8Array,
  warn: (text: string) => void,
  source: SourceFiles = localSource,
): Selection {
  const byPath = pathRules(rules, warn, source);
  const byStatus = statusRules(rules, targets, workingDirectory, source);
  return {
    rejectByPath: (path) => byPath.some((rejects) => rejects(path)),
    rejectByStatus: (path, status) => byStatus.some((rejects) => rejects(path, status)),
  };
}

function pathRules(
  rules: SelectionRules,
  warn: (text: string) => void,
  source: SourceFiles,
): ((path: Uint8Array) => boolean)[] {
  const { cacheDirectory, excludesPath } = rules;
  const result: ((path: Uint8Array) => boolean)[] = [];
  if (cacheDirectory !== undefined) {
    const folder = absolutePath(toByteString(cacheDirectory), "/");
    result.push((path) => isInside(toByteString(path), folder));
  }
  if (excludesPath !== undefined) result.push((path) => excludesPath(decodePath(path)));
  const tagRules = [...(rules.excludeIfPresent ?? []), ...(rules.excludeCaches ? [cacheTagRule] : [])];
  for (const tagRule of tagRules) {
    const rule = new TagFileRule(tagRule, source, warn);
    result.push((path) => rule.rejects(toByteString(path)));
  }
  return result;
}

type StatusRule = (path: Uint8Array, status: FileStatus) => boolean;

function statusRules(
  rules: SelectionRules,
  targets: readonly Uint8Array[],
  workingDirectory: Uint8Array,
  source: SourceFiles,
): StatusRule[] {
  const limitBytes = rules.excludeLargerThanBytes;
  const result: StatusRule[] = [];
  if (limitBytes !== undefined) result.push((_path, status) => status.type !== "dir" && status.sizeBytes > limitBytes);
  if (rules.oneFileSystem) {
    const devices = devicesOf(targets, toByteString(workingDirectory), source);
    result.push((path, status) => !devices.has(status.deviceId) && !isMountPoint(path, status, source));
  }
  return result;
}

/** The devices that targets lie on: a target may be on another device than the one that holds it. */
function devicesOf(targets: readonly Uint8Array[], workingDirectory: ByteString, source: SourceFiles): Set<bigint> {
  const devices = new Set<bigint>();
  for (const target of targets) {
    try {
      devices.add(source.linkStatus(toBytes(absolutePath(toByteString(target), workingDirectory))).deviceId);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return devices;
}

/** The folder at which another device begins stays, empty: a restore then has a place to mount it again. */
function isMountPoint(path: Uint8Array, status: FileStatus, source: SourceFiles): boolean {
  if (status.type !== "dir") return false;
  const parent = toBytes(folderOfPath(toByteString(path)));
  return source.linkStatus(parent).deviceId !== status.deviceId;
}

/** The status of a target, or why it is passed over: what to print, and that something was missing. */
export function targetProblem(target: Uint8Array, workingDirectory: Uint8Array): string | undefined {
  const path = absolutePath(toByteString(target), toByteString(workingDirectory));
  try {
    linkStatus(toBytes(path));
    return undefined;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return `${displayBytes(target)} ${isMissing ? "does not exist" : "cannot be accessed"}, skipping`;
  }
}
