/** Tree nodes for tests. */
import fc from "fast-check";
import { goModeOf } from "../../shared/format/mode.ts";
import { formatTime } from "../../shared/format/time.ts";
import { nodeTypes, type TreeNode } from "../../shared/format/tree-node.ts";

/** A small file; every field can be replaced. */
export function fileNode(name: string, fields: Partial<TreeNode> = {}): TreeNode {
  return {
    name: new TextEncoder().encode(name),
    type: "file",
    mode: 0o644,
    mtime: "2024-01-02T03:04:05.6Z",
    atime: "2024-01-02T03:04:05.6Z",
    ctime: "2024-01-02T03:04:06Z",
    uid: 1000,
    gid: 100,
    user: "me",
    group: "users",
    inode: 12n,
    deviceId: 65024n,
    sizeBytes: 3,
    links: 1,
    extendedAttributes: [],
    device: 0n,
    content: ["aa".repeat(32)],
    ...fields,
  };
}

const uint64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const uint32 = fc.nat(0xffff_ffff);
const safeInteger = fc.maxSafeNat();
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
const bytes = fc.uint8Array({ maxLength: 40 });
const text = fc.string({ unit: "binary", maxLength: 20 });
/** Any text as bytes: names of attributes are UTF-8 in every file system that restic reads. */
const utf8 = text.map((value) => new TextEncoder().encode(value));
const time = fc
  .record({
    unixNs: fc.bigInt({ min: -60_000_000_000n * 10n ** 9n, max: 250_000_000_000n * 10n ** 9n }),
    minutes: fc.integer({ min: -1439, max: 1439 }),
  })
  .map(({ unixNs, minutes }) => formatTime(unixNs, () => minutes * 60));

/** Nodes of every kind, sensible or not: whatever a document can hold. */
export const anyNode: fc.Arbitrary<TreeNode> = fc
  .record({
    name: fc.uint8Array({ minLength: 1, maxLength: 30 }),
    type: fc.constantFrom(...nodeTypes),
    mode: fc.nat(0o177777).map(goModeOf),
    mtime: time,
    atime: time,
    ctime: time,
    uid: uint32,
    gid: uint32,
    user: text,
    group: text,
    inode: uint64,
    deviceId: uint64,
    sizeBytes: safeInteger,
    links: safeInteger,
    linkTarget: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 }), { nil: undefined }),
    extendedAttributes: fc.array(fc.record({ name: utf8, value: fc.option(bytes) }), { maxLength: 3 }),
    device: uint64,
    content: fc.option(fc.array(id, { maxLength: 3 })),
    subtree: fc.option(id, { nil: undefined }),
    error: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  })
  .map(withoutAbsent);

/** As decoding gives nodes: without keys for what is not there. */
function withoutAbsent(node: TreeNode): TreeNode {
  return Object.fromEntries(Object.entries(node).filter(([, value]) => value !== undefined)) as unknown as TreeNode;
}
