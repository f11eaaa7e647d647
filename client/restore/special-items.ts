/** Symbolic links, pipes and device files. */
import { symlinkSync } from "node:fs";
import { CofferError } from "../../shared/errors.ts";
import type { TreeNode } from "../../shared/format/tree-node.ts";
import { systemCalls } from "../platform/system-calls.ts";
import type { BytePath } from "./byte-path.ts";
import type { EntryType } from "./metadata-application.ts";
import type { TargetFolder } from "./target-folder.ts";

const blockDeviceType = 0o060000;
const characterDeviceType = 0o020000;
/** Until the metadata is applied. */
const newItemMode = 0o600;

/** Kinds of items that `makeSpecialItem` makes. */
export function isSpecial(type: TreeNode["type"]): type is Exclude<EntryType, "file"> {
  return type === "symlink" || type === "dev" || type === "chardev" || type === "fifo";
}

/** Makes the item; nothing may be there. Throws what the system says. */
export function makeSpecialItem(folder: TargetFolder, name: BytePath, node: TreeNode): void {
  const path = folder.pathOf(name);
  switch (node.type) {
    case "symlink":
      symlinkSync(linkTargetOf(node), path);
      break;
    case "fifo":
      systemCalls().makeFifo(Buffer.from(path), newItemMode);
      break;
    case "dev":
      systemCalls().makeNode(Buffer.from(path), blockDeviceType | newItemMode, node.device);
      break;
    case "chardev":
      systemCalls().makeNode(Buffer.from(path), characterDeviceType | newItemMode, node.device);
      break;
    default:
      throw new CofferError("unsupported", `an item of type ${node.type} cannot be restored`);
  }
}

function linkTargetOf(node: TreeNode): Buffer {
  const target = node.linkTarget;
  if (target === undefined || target.length === 0) {
    throw new CofferError("malformed", "the snapshot has no target for this link");
  }
  return Buffer.from(target);
}
