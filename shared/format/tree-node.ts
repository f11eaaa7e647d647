/**
 * Tree nodes: one entry of a directory. `encodeNode` writes exactly what restic 0.19 writes, since a tree's id is the hash
 * of this text. Source: the section on node fields of docs/format.md.
 */
import { equalBytes, toBase64 } from "./bytes.ts";
import { encodeJsonBytes, encodeJsonString, encodeJsonValue, isValidUtf8 } from "./go-json.ts";
import type { Id } from "./layout.ts";
import { isPrintable, type Printable } from "./printable.ts";
import { quoteName } from "./quoting.ts";
import { parseTime } from "./time.ts";

export const nodeTypes = ["file", "dir", "symlink", "dev", "chardev", "fifo", "socket", "irregular"] as const;

export type NodeType = (typeof nodeTypes)[number];

/** `value` is null when the attribute was listed but could not be read. */
export interface ExtendedAttribute {
  readonly name: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface TreeNode {
  /** The bytes of the file name, not quoted. */
  readonly name: Uint8Array;
  readonly type: NodeType;
  /** Go's mode bits, see mode.ts. */
  readonly mode: number;
  /** RFC 3339 text, as stored; so are the other two. */
  readonly mtime: string;
  readonly atime: string;
  readonly ctime: string;
  readonly uid: number;
  readonly gid: number;
  /** Empty when the id has no name. */
  readonly user: string;
  readonly group: string;
  readonly inode: bigint;
  readonly deviceId: bigint;
  /** 0 for everything but files. */
  readonly sizeBytes: number;
  /** 0 where it is not stored: folders, pipes, sockets. */
  readonly links: number;
  /** The bytes that a symlink points to. */
  readonly linkTarget?: Uint8Array | undefined;
  /** In the order in which the system listed them. */
  readonly extendedAttributes: readonly ExtendedAttribute[];
  /** What Windows has besides; values are JSON, preserved and not interpreted. */
  readonly genericAttributes?: Readonly<Record<string, unknown>> | undefined;
  /** The device that a device node stands for; 0 for everything else. */
  readonly device: bigint;
  /** The blobs of a file, none for an empty one; null for everything else. */
  readonly content: readonly Id[] | null;
  /** The tree of a folder. */
  readonly subtree?: Id | undefined;
  readonly error?: string | undefined;
}

/** The JSON text of a node: fields in restic's order, left out exactly where restic leaves them out. */
export function encodeNode(node: TreeNode, printable: Printable = isPrintable): string {
  // Joined, not added up: sums stay trees of their parts, which cost a backup that holds thousands of them much time and memory.
  return [
    `{"name":${encodeJsonString(quoteName(node.name, printable))},"type":"${node.type}"`,
    integerMember("mode", node.mode),
    `,"mtime":"${node.mtime}","atime":"${node.atime}","ctime":"${node.ctime}","uid":${node.uid},"gid":${node.gid}`,
    textMember("user", node.user),
    textMember("group", node.group),
    integerMember("inode", node.inode),
    integerMember("device_id", node.deviceId),
    integerMember("size", node.sizeBytes),
    integerMember("links", node.links),
    linkTargetMembers(node.linkTarget),
    extendedAttributesMember(node.extendedAttributes),
    genericAttributesMember(node.genericAttributes),
    integerMember("device", node.device),
    contentMember(node.content),
    node.subtree === undefined ? "" : `,"subtree":"${node.subtree}"`,
    textMember("error", node.error ?? ""),
    "}",
  ].join("");
}

function integerMember(key: string, value: number | bigint): string {
  return value ? `,"${key}":${value}` : "";
}

function textMember(key: string, text: string): string {
  return text === "" ? "" : `,"${key}":${encodeJsonString(text)}`;
}

/** A target that is not UTF-8 is stored twice: for people, lossy; and its bytes. */
function linkTargetMembers(target: Uint8Array | undefined): string {
  if (target === undefined || target.length === 0) return "";
  const raw = isValidUtf8(target) ? "" : `,"linktarget_raw":"${toBase64(target)}"`;
  return `,"linktarget":${encodeJsonBytes(target)}${raw}`;
}

function extendedAttributesMember(attributes: readonly ExtendedAttribute[]): string {
  if (attributes.length === 0) return "";
  const texts = attributes.map(({ name, value }) => {
    return `{"name":${encodeJsonBytes(name)},"value":${value === null ? "null" : `"${toBase64(value)}"`}}`;
  });
  return `,"extended_attributes":[${texts.join(",")}]`;
}

function genericAttributesMember(attributes: Readonly<Record<string, unknown>> | undefined): string {
  const keys = Object.keys(attributes ?? {}).sort();
  if (attributes === undefined || keys.length === 0) return "";
  const members = keys.map((key) => `${encodeJsonString(key)}:${encodeJsonValue(attributes[key])}`);
  return `,"generic_attributes":{${members.join(",")}}`;
}

function contentMember(content: readonly Id[] | null): string {
  if (content === null) return ',"content":null';
  return content.length === 0 ? ',"content":[]' : `,"content":["${content.join('","')}"]`;
}

/**
 * True when two nodes say the same: restic's measure for an unmodified file. Times are compared as instants, since the
 * same instant may have been written in two zones.
 */
export function nodesEqual(a: TreeNode, b: TreeNode): boolean {
  return (
    equalBytes(a.name, b.name) &&
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.user === b.user &&
    a.group === b.group &&
    a.inode === b.inode &&
    a.deviceId === b.deviceId &&
    a.sizeBytes === b.sizeBytes &&
    a.links === b.links &&
    a.device === b.device &&
    a.subtree === b.subtree &&
    (a.error ?? "") === (b.error ?? "") &&
    timesEqual(a.mtime, b.mtime) &&
    timesEqual(a.atime, b.atime) &&
    timesEqual(a.ctime, b.ctime) &&
    optionalBytesEqual(a.linkTarget, b.linkTarget) &&
    contentsEqual(a.content, b.content) &&
    attributesEqual(a.extendedAttributes, b.extendedAttributes) &&
    genericAttributesMember(a.genericAttributes) === genericAttributesMember(b.genericAttributes)
  );
}

function timesEqual(a: string, b: string): boolean {
  return a === b || parseTime(a).unixNs === parseTime(b).unixNs;
}

/** An empty target is not stored, so it is the same as none. */
function optionalBytesEqual(a: Uint8Array = new Uint8Array(), b: Uint8Array = new Uint8Array()): boolean {
  return equalBytes(a, b);
}

function contentsEqual(a: readonly Id[] | null, b: readonly Id[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

function attributesEqual(a: readonly ExtendedAttribute[], b: readonly ExtendedAttribute[]): boolean {
  return a.length === b.length && a.every((attribute, index) => attributeEqual(attribute, b[index]));
}

function attributeEqual(a: ExtendedAttribute, b: ExtendedAttribute | undefined): boolean {
  if (b === undefined || !equalBytes(a.name, b.name)) return false;
  return a.value === null || b.value === null ? a.value === b.value : equalBytes(a.value, b.value);
}
