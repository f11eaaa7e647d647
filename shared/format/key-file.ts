/**
 * Key files: the master key, sealed with a key that scrypt makes from a password. Plain JSON, named by its hash.
 * Source: the section on cryptography of docs/format.md.
 */
import { CofferError } from "../errors.ts";
import { toBase64 } from "./bytes.ts";
import { encodeJsonString } from "./go-json.ts";
import { JsonFields } from "./json-fields.ts";
import { maxKeyFileBytes, maxScryptMemoryBytes, maxScryptWork } from "./limits.ts";
import type { ScryptParameters, SealingKey } from "./provider.ts";
import { checkSealingKey } from "./sealing.ts";
import { parseTime } from "./time.ts";

export interface KeyFile extends ScryptParameters {
  /** RFC 3339 text, as stored. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly kdf: "scrypt";
  /** 64 bytes. */
  readonly salt: Uint8Array;
  /** The sealed master key: seal(user key, master JSON). */
  readonly data: Uint8Array;
}

const saltBytes = 64;
const maxInt32 = 0x7fffffff;

/** The JSON text of the file, byte for byte as restic writes it. */
export function encodeKeyFile(key: KeyFile): string {
  return (
    `{"created":${encodeJsonString(key.created)},"username":${encodeJsonString(key.username)},` +
    `"hostname":${encodeJsonString(key.hostname)},"kdf":${encodeJsonString(key.kdf)},` +
    `"N":${key.N},"r":${key.r},"p":${key.p},"salt":"${toBase64(key.salt)}","data":"${toBase64(key.data)}"}`
  );
}

/**
 * Throws `malformed` on anything that is not a key file, `unsupported` on key derivations other than scrypt,
 * `limit-exceeded` on parameters that scrypt cannot or must not run with.
 */
export function parseKeyFile(document: string | Uint8Array): KeyFile {
  if (document.length > maxKeyFileBytes) {
    throw new CofferError(
      "limit-exceeded",
      `key file expected at most ${maxKeyFileBytes} bytes, got ${document.length}`,
    );
  }
  const fields = JsonFields.parse("key file", document);
  const kdf = fields.string("kdf");
  if (kdf !== "scrypt") {
    throw new CofferError("unsupported", `key file: "kdf" expected "scrypt", got ${JSON.stringify(kdf.slice(0, 40))}`);
  }
  const created = fields.string("created");
  parseTime(created);
  const parameters = { N: fields.integer("N"), r: fields.integer("r"), p: fields.integer("p") };
  checkScryptParameters(parameters);
  const salt = fields.bytes("salt");
  if (salt.length !== saltBytes) {
    throw new CofferError("malformed", `key file: "salt" expected ${saltBytes} bytes, got ${salt.length}`);
  }
  return {
    created,
    username: fields.optionalString("username") ?? "",
    hostname: fields.optionalString("hostname") ?? "",
    kdf,
    ...parameters,
    salt,
    data: fields.bytes("data"),
  };
}

/** Throws `limit-exceeded` unless scrypt can run with the parameters within the memory and time that a key may cost. */
export function checkScryptParameters({ N, r, p }: ScryptParameters): void {
  const isPowerOfTwo = N > 1 && N <= maxInt32 && (N & (N - 1)) === 0;
  if (!isPowerOfTwo) refuseParameter("N", "a power of two from 2 to 2^30", N);
  if (r < 1 || r * 128 * N > maxScryptMemoryBytes) {
    refuseParameter("r", `a number from 1 that with N=${N} takes at most ${maxScryptMemoryBytes} bytes`, r);
  }
  if (p < 1 || r * p >= 2 ** 30 || N * r * p > maxScryptWork || r * 128 * p > maxInt32) {
    refuseParameter("p", `a number from 1 with N * r * p of at most ${maxScryptWork}`, p);
  }
}

function refuseParameter(name: string, expected: string, value: number): never {
  throw new CofferError("limit-exceeded", `key file: "${name}" expected ${expected}, got ${value}`);
}

/** The JSON text that is sealed into a key file's `data`: always 128 bytes. */
export function encodeMasterKey(key: SealingKey): string {
  const mac = `{"k":"${toBase64(key.mac.k)}","r":"${toBase64(key.mac.r)}"}`;
  return `{"mac":${mac},"encrypt":"${toBase64(key.encrypt)}"}`;
}

/**
 * Throws `malformed` unless all three parts are there, of the right length and not all zero. Messages never quote what
 * was read, and the cause is dropped, because it is secret.
 */
export function parseMasterKey(document: string | Uint8Array): SealingKey {
  const key = readMasterKey(document);
  if (key === undefined) {
    throw new CofferError("malformed", 'master key expected JSON with base64 in "mac": {"k", "r"} and "encrypt"');
  }
  checkSealingKey(key);
  return key;
}

function readMasterKey(document: string | Uint8Array): SealingKey | undefined {
  try {
    const fields = JsonFields.parse("master key", document);
    const mac = fields.object("mac");
    return { encrypt: fields.bytes("encrypt"), mac: { k: mac.bytes("k"), r: mac.bytes("r") } };
  } catch {
    return undefined;
  }
}
