/**
 * Tree nodes out of parsed JSON. As restic reads them: absent and `null` fields have their zero value, unknown keys are
 * ignored. Stricter than restic in what would be lost otherwise: types, times and integers must be what they claim.
 * Source: the section on node fields of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import { fromBase64, utf8Encode } from "./bytes.ts";
import { describeValue } from "./json-fields.ts";
import { type Id, isId } from "./layout.ts";
import { unquoteName } from "./quoting.ts";
import { isTimeText, zeroTime } from "./time.ts";
import { type ExtendedAttribute, type NodeType, nodeTypes, type TreeNode } from "./tree-node.ts";

/** A node as `JSON.parse` gives it. */
export type RawNode = Readonly<Record<string, unknown>>;

const maxUint32 = 0xffff_ffff;
const maxUint64 = 0xffff_ffff_ffff_ffffn;

/** What stands before the digits of an integer that `quoteLargeIntegers` made a text of. */
const integerMark = "#";
const largeInteger = /"(inode|device_id|device)":\s*(\d{16,})/g;

/**
 * True when a node has integers that `JSON.parse` had to round. They are then to be parsed again from
 * `quoteLargeIntegers`; that is three times as slow, so it is not done before it is needed.
 */
export function hasRoundedIntegers(node: RawNode): boolean {
  return isRounded(node["inode"]) || isRounded(node["device_id"]) || isRounded(node["device"]);
}

function isRounded(value: unknown): boolean {
  return typeof value === "number" && value > Number.MAX_SAFE_INTEGER;
}

/**
 * The JSON text with the large integers of 64-bit fields as texts. Nothing inside a text is touched: a quote there has a
 * backslash before it, so `inode":` can only be the end of a key.
 */
export function quoteLargeIntegers(json: string): string {
  return json.replace(largeInteger, `"$1":"${integerMark}$2"`);
}

/** Throws `malformed` for a node that does not decode, `unsupported` for a type that this program does not know. */
export function decodeNode(raw: RawNode): TreeNode {
  const linkTarget = readLinkTarget(raw);
  const genericAttributes = readGenericAttributes(raw["generic_attributes"]);
  const subtree = raw["subtree"] ?? undefined;
  const error = readText(raw, "error");
  return {
    name: readName(raw),
    type: readType(raw["type"]),
    mode: readInteger(raw, "mode", maxUint32),
    mtime: readTime(raw, "mtime"),
    atime: readTime(raw, "atime"),
    ctime: readTime(raw, "ctime"),
    uid: readInteger(raw, "uid", maxUint32),
    gid: readInteger(raw, "gid", maxUint32),
    user: readText(raw, "user"),
    group: readText(raw, "group"),
    inode: readUint64(raw, "inode"),
    deviceId: readUint64(raw, "device_id"),
    sizeBytes: readInteger(raw, "size", Number.MAX_SAFE_INTEGER),
    links: readInteger(raw, "links", Number.MAX_SAFE_INTEGER),
    ...(linkTarget === undefined ? undefined : { linkTarget }),
    extendedAttributes: readExtendedAttributes(raw["extended_attributes"] ?? []),
    ...(genericAttributes === undefined ? undefined : { genericAttributes }),
    device: readUint64(raw, "device"),
    content: readContent(raw["content"] ?? null),
    ...(subtree === undefined ? undefined : { subtree: readId(subtree, "subtree") }),
    ...(error === "" ? undefined : { error }),
  };
}

function readName(raw: RawNode): Uint8Array {
  const name = raw["name"];
  return typeof name === "string" ? unquoteName(name) : refuse("name", "a text", name);
}

function readType(value: unknown): NodeType {
  if (isNodeType(value)) return value;
  if (typeof value !== "string") return refuse("type", "a text", value);
  throw new CofferError("unsupported", `"type" expected one of ${nodeTypes.join(", ")}, got ${describeValue(value)}`);
}

function isNodeType(value: unknown): value is NodeType {
  return (nodeTypes as readonly unknown[]).includes(value);
}

function readText(raw: RawNode, key: string): string {
  const value = raw[key] ?? "";
  return typeof value === "string" ? value : refuse(key, "a text", value);
}

function readTime(raw: RawNode, key: string): string {
  const value = raw[key] ?? zeroTime;
  if (typeof value === "string" && isTimeText(value)) return value;
  return refuse(key, "a time like 2006-01-02T15:04:05.999999999+01:00", value);
}

function readInteger(raw: RawNode, key: string, maximum: number): number {
  const value = raw[key] ?? 0;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= maximum) return value;
  return refuse(key, `a whole number from 0 to ${maximum}`, value);
}

function readUint64(raw: RawNode, key: string): bigint {
  const value = raw[key] ?? 0;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === "string" && value.startsWith(integerMark)) {
    const integer = BigInt(value.slice(integerMark.length));
    if (integer <= maxUint64) return integer;
  }
  return refuse(key, `a whole number from 0 to ${maxUint64}`, value);
}

/** The raw bytes where they are stored, because the text beside them has lost something. */
function readLinkTarget(raw: RawNode): Uint8Array | undefined {
  const bytes = readText(raw, "linktarget_raw");
  if (bytes !== "") return readBase64(bytes, "linktarget_raw");
  const text = readText(raw, "linktarget");
  return text === "" ? undefined : utf8Encode(text);
}

function readExtendedAttributes(value: unknown): ExtendedAttribute[] {
  if (!Array.isArray(value)) return refuse("extended_attributes", "an array", value);
  return value.map((attribute: RawNode | null) => {
    const name = attribute?.["name"];
    const content = attribute?.["value"] ?? null;
    if (typeof name !== "string") return refuse("extended_attributes", "attributes with a name", name);
    if (content === null) return { name: utf8Encode(name), value: null };
    if (typeof content !== "string") return refuse("extended_attributes", "base64 values", content);
    return { name: utf8Encode(name), value: readBase64(content, "extended_attributes") };
  });
}

function readGenericAttributes(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" || Array.isArray(value)) return refuse("generic_attributes", "an object", value);
  return value as Record<string, unknown>;
}

function readContent(value: unknown): readonly Id[] | null {
  if (value === null) return null;
  if (!Array.isArray(value)) return refuse("content", "an array of ids or null", value);
  for (const id of value) readId(id, "content");
  return value;
}

function readId(value: unknown, key: string): Id {
  return typeof value === "string" && isId(value) ? value : refuse(key, "an id of 64 hex digits", value);
}

function readBase64(text: string, key: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new CofferError("malformed", `"${key}" expected base64, got ${describeValue(text)}`, { cause });
  }
}

function refuse(key: string, expected: string, value: unknown): never {
  throw new CofferError("malformed", `"${key}" expected ${expected}, got ${describeValue(value)}`);
}
