/** From what the file system says about an entry to its node. Source: docs/format.md, sections 6.2 to 6.6. */
import { CofferError } from "../../shared/errors.ts";
import { goModeOf } from "../../shared/format/mode.ts";
import { formatTime, parseTime, type ZoneOffset } from "../../shared/format/time.ts";
import type { ExtendedAttribute, TreeNode } from "../../shared/format/tree-node.ts";
import type { FileStatus } from "../platform/file-status.ts";
import { groupName, userName } from "../platform/users.ts";
import { displayBytes, toBytes } from "./byte-paths.ts";
import { reasonOf } from "./failures.ts";
import type { SourceFiles } from "./source.ts";
import type { FoundEntry } from "./walk.ts";

export interface NodeOptions {
  readonly zone: ZoneOffset;
  readonly withAccessTime: boolean;
}

export interface NodeReports {
  /** Part of the metadata could not be read. The node is stored without it; the backup counts a failure. */
  incomplete(path: Buffer, error: CofferError): void;
  warning(text: string): void;
}

export class NodeFactory {
  readonly #source: SourceFiles;
  readonly #options: NodeOptions;
  readonly #reports: NodeReports;

  constructor(source: SourceFiles, options: NodeOptions, reports: NodeReports) {
    this.#source = source;
    this.#options = options;
    this.#reports = reports;
  }

  /**
   * The node of an entry, without the content of a file and the tree of a folder. Throws the system's error when a link cannot be
   * read, `unsupported` for an entry of a type that cannot be stored.
   */
  create(found: FoundEntry): TreeNode {
    const { status, path } = found;
    const { type } = status;
    if (type === "irregular") {
      throw new CofferError("unsupported", `${displayBytes(path)}: file type ${status.mode} is not known`);
    }
    const isLinked = type === "file" || type === "symlink" || type === "dev" || type === "chardev";
    const isDevice = type === "dev" || type === "chardev";
    return {
      name: toBytes(found.name),
      type,
      mode: goModeOf(status.mode),
      ...this.#times(status),
      uid: status.uid,
      gid: status.gid,
      user: userName(status.uid),
      group: groupName(status.gid),
      inode: status.inode,
      deviceId: status.deviceId,
      sizeBytes: 0,
      links: isLinked ? status.links : 0,
      linkTarget: type === "symlink" ? this.#source.readLink(path) : undefined,
      extendedAttributes: this.#attributes(found),
      device: isDevice ? status.device : 0n,
      content: type === "file" ? [] : null,
    };
  }

  /** The same file with the metadata of another moment: between walk and reading it was changed, or replaced by another. */
  withStatus(node: TreeNode, status: FileStatus): TreeNode {
    return {
      ...node,
      mode: goModeOf(status.mode),
      ...this.#times(status),
      uid: status.uid,
      gid: status.gid,
      user: userName(status.uid),
      group: groupName(status.gid),
      inode: status.inode,
      deviceId: status.deviceId,
      links: status.links,
    };
  }

  #times(status: FileStatus): Pick<TreeNode, "mtime" | "atime" | "ctime"> {
    const { zone, withAccessTime } = this.#options;
    const mtime = formatTime(status.mtimeNs, zone);
    const atime = withAccessTime ? formatTime(status.atimeNs, zone) : mtime;
    return { mtime, atime, ctime: status.ctimeNs === status.mtimeNs ? mtime : formatTime(status.ctimeNs, zone) };
  }

  #attributes({ path, isAboveTarget }: FoundEntry): readonly ExtendedAttribute[] {
    try {
      return this.#source.extendedAttributes(path, (name, error) => {
        this.#reports.warning(
          `can not obtain extended attribute ${name} for ${displayBytes(path)}: ${reasonOf(error)}`,
        );
      });
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // The user did not name these folders, and may well not be allowed to look into them.
      if (isAboveTarget && (code === "EACCES" || code === "EPERM")) return [];
      const text = `incomplete metadata for ${displayBytes(path)}: xattr.list: ${reasonOf(error)}`;
      this.#reports.incomplete(path, new CofferError("source-unreadable", text, { cause: error }));
      return [];
    }
  }
}

export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
}

/**
 * True when a file need not be read again: the parent's node has the same size and times, and it is the same inode. Its content may
 * still be lost from the repository.
 */
export function isUnchanged(previous: TreeNode, node: TreeNode, status: FileStatus, rules: ChangeRules): boolean {
  return (
    previous.type === "file" &&
    previous.content !== null &&
    previous.sizeBytes === status.sizeBytes &&
    isInstant(previous.mtime, node.mtime, status.mtimeNs) &&
    (rules.ignoreCtime || rules.ignoreInode || isInstant(previous.ctime, node.ctime, status.ctimeNs)) &&
    (rules.ignoreInode || previous.inode === status.inode)
  );
}

/** Texts differ when zones do, so the instants decide. */
function isInstant(stored: string, current: string, currentNs: bigint): boolean {
  return stored === current || parseTime(stored).unixNs === currentNs;
}
