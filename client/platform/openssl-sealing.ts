/**
 * Sealing by the OpenSSL inside the node binary, called directly on our own memory: nothing is allocated or copied, and
 * Poly1305 runs in OpenSSL's vector code. Two to three times as fast as the public interfaces. Source: docs/format.md,
 * section 2.2.
 *
 * Official builds of Node for Linux export OpenSSL's functions, other builds may not (or not any more). So this is an
 * option: it is used where koffi loads, all functions are there, and they compute what they should; see `canUseOpenSsl`.
 */
import { createCipheriv } from "node:crypto";
import { createRequire } from "node:module";
import { CofferError } from "../../shared/errors.ts";
import { equalBytes, fromHex } from "../../shared/format/bytes.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { ivBytes, tagBytes } from "../../shared/format/sealing.ts";
import { pieceBytes, type SealingMethod } from "./sealing-method.ts";

/** Something that only OpenSSL looks into. */
type Pointer = unknown;

/** The functions of OpenSSL 3 that are used: 1 means success. Lengths are not checked by them; `OpenSslCalls` does. */
interface OpenSslFunctions {
  EVP_MAC_fetch(library: null, name: string, properties: null): Pointer;
  EVP_MAC_CTX_new(mac: Pointer): Pointer;
  EVP_MAC_init(context: Pointer, key: Uint8Array, keyBytes: number, parameters: null): number;
  EVP_MAC_update(context: Pointer, data: Uint8Array, lengthBytes: number): number;
  EVP_MAC_final(context: Pointer, tag: Uint8Array, written: Uint8Array, roomBytes: number): number;
  EVP_CIPHER_CTX_new(): Pointer;
  EVP_aes_256_ctr(): Pointer;
  EVP_aes_128_ecb(): Pointer;
  EVP_EncryptInit_ex(
    context: Pointer,
    cipher: Pointer | null,
    engine: null,
    key: Uint8Array | null,
    iv: Uint8Array | null,
  ): number;
  EVP_EncryptUpdate(
    context: Pointer,
    target: Uint8Array,
    written: Uint8Array,
    source: Uint8Array,
    lengthBytes: number,
  ): number;
}

const prototypes: readonly string[] = [
  "void* EVP_MAC_fetch(void*, const char*, const char*)",
  "void* EVP_MAC_CTX_new(void*)",
  "int EVP_MAC_init(void*, const void*, size_t, void*)",
  "int EVP_MAC_update(void*, const void*, size_t)",
  "int EVP_MAC_final(void*, void*, void*, size_t)",
  "void* EVP_CIPHER_CTX_new()",
  "void* EVP_aes_256_ctr()",
  "void* EVP_aes_128_ecb()",
  "int EVP_EncryptInit_ex(void*, void*, void*, const void*, const void*)",
  "int EVP_EncryptUpdate(void*, void*, void*, const void*, int)",
];

/** Binds the functions. Throws when koffi does not load or one of them is not exported. */
function bindFunctions(): OpenSslFunctions {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  // The running program itself, with all that it exports.
  const program = koffi.load(null);
  const bound = prototypes.map((prototype) => [/(\w+)\(/.exec(prototype)?.[1] ?? "", program.func(prototype)]);
  return Object.fromEntries(bound) as OpenSslFunctions;
}

/** One context of each kind, for one thread. They hold no state between calls: key and IV are given with each. */
class OpenSslCalls {
  readonly #functions: OpenSslFunctions;
  readonly #mac: Pointer;
  readonly #cipher: Pointer;
  /** Codes single blocks. */
  readonly #blockCipher: Pointer;
  readonly #tag: Uint8Array = new Uint8Array(tagBytes);
  /** Where OpenSSL writes lengths, which are known here. */
  readonly #written: Uint8Array = new Uint8Array(8);

  constructor(functions: OpenSslFunctions) {
    const mac = functions.EVP_MAC_CTX_new(functions.EVP_MAC_fetch(null, "POLY1305", null));
    const cipher = functions.EVP_CIPHER_CTX_new();
    const blockCipher = functions.EVP_CIPHER_CTX_new();
    if (mac === null || cipher === null || blockCipher === null)
      throw new CofferError("internal", "OpenSSL expected to give contexts, gave none");
    expectSuccess(functions.EVP_EncryptInit_ex(cipher, functions.EVP_aes_256_ctr(), null, null, null), "cipher");
    expectSuccess(functions.EVP_EncryptInit_ex(blockCipher, functions.EVP_aes_128_ecb(), null, null, null), "cipher");
    this.#functions = functions;
    this.#mac = mac;
    this.#cipher = cipher;
    this.#blockCipher = blockCipher;
  }

  /** AES-128 of one block. The key is set anew each time, which still costs less than a call of node:crypto's. */
  codeBlock(key: Uint8Array, block: Uint8Array, target: Uint8Array): void {
    expectLength("block key", key, 16);
    expectLength("block", block, 16);
    expectLength("block target", target, 16);
    expectSuccess(this.#functions.EVP_EncryptInit_ex(this.#blockCipher, null, null, key, null), "block key");
    expectSuccess(this.#functions.EVP_EncryptUpdate(this.#blockCipher, target, this.#written, block, 16), "block");
  }

  /** `key`: r (16 bytes), then s (16 bytes). */
  beginMac(key: Uint8Array): void {
    expectLength("MAC key", key, 2 * tagBytes);
    expectSuccess(this.#functions.EVP_MAC_init(this.#mac, key, key.length, null), "MAC key");
  }

  addToMac(data: Uint8Array): void {
    expectSuccess(this.#functions.EVP_MAC_update(this.#mac, data, data.length), "MAC");
  }

  /** The tag of all that was added; valid until the next call. */
  finishMac(): Uint8Array {
    expectSuccess(this.#functions.EVP_MAC_final(this.#mac, this.#tag, this.#written, tagBytes), "tag");
    return this.#tag;
  }

  beginCipher(key: Uint8Array, iv: Uint8Array): void {
    expectLength("cipher key", key, 32);
    expectLength("IV", iv, ivBytes);
    expectSuccess(this.#functions.EVP_EncryptInit_ex(this.#cipher, null, null, key, iv), "cipher key");
  }

  /** Codes a piece to the start of `target`: in counter mode the same in both directions. */
  code(source: Uint8Array, target: Uint8Array): void {
    if (target.length < source.length) {
      throw new CofferError("internal", `cipher expected room for ${source.length} bytes, got ${target.length}`);
    }
    const result = this.#functions.EVP_EncryptUpdate(this.#cipher, target, this.#written, source, source.length);
    expectSuccess(result, "cipher");
  }
}

function expectSuccess(result: number, what: string): void {
  if (result !== 1) throw new CofferError("internal", `OpenSSL's ${what} call expected to succeed, got ${result}`);
}

function expectLength(what: string, bytes: Uint8Array, lengthBytes: number): void {
  if (bytes.length === lengthBytes) return;
  throw new CofferError("internal", `${what} expected ${lengthBytes} bytes, got ${bytes.length}`);
}

let calls: OpenSslCalls | null | undefined;

/** The calls of this thread, or undefined where they cannot be had or are not to be trusted. Probed once per thread. */
function usableCalls(): OpenSslCalls | undefined {
  if (calls === undefined) {
    try {
      const candidate = new OpenSslCalls(bindFunctions());
      calls = macIsRight(candidate) && cipherIsRight(candidate) && blockIsRight(candidate) ? candidate : null;
    } catch {
      // No koffi for this platform, or a Node that exports nothing: then the public interfaces do it.
      calls = null;
    }
  }
  return calls ?? undefined;
}

/** True when OpenSSL can be called directly in this process and computes what it should. */
export function canUseOpenSsl(): boolean {
  return usableCalls() !== undefined;
}

/** RFC 8439, section 2.5.2, in two parts and at an odd address of shared memory. */
function macIsRight(candidate: OpenSslCalls): boolean {
  const message = new Uint8Array(new SharedArrayBuffer(64)).subarray(3, 37);
  message.set(new TextEncoder().encode("Cryptographic Forum Research Group"));
  candidate.beginMac(fromHex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"));
  candidate.addToMac(message.subarray(0, 16));
  candidate.addToMac(message.subarray(16));
  return equalBytes(candidate.finishMac(), fromHex("a8061dc1305136c6c22b8baf0c0127a9"));
}

/** Five blocks and a part, whose counter wraps, beside node:crypto; then back in place, in shared memory. */
function cipherIsRight(candidate: OpenSslCalls): boolean {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
  const iv = new Uint8Array(ivBytes).fill(255);
  const plaintext = Uint8Array.from({ length: 83 }, (_, index) => index);
  const expected = createCipheriv("aes-256-ctr", key, iv).update(plaintext);
  const target = new Uint8Array(new SharedArrayBuffer(100)).subarray(5, 5 + plaintext.length);
  candidate.beginCipher(key, iv);
  candidate.code(plaintext.subarray(0, 48), target);
  candidate.code(plaintext.subarray(48), target.subarray(48));
  if (!equalBytes(target, expected)) return false;
  candidate.beginCipher(key, iv);
  candidate.code(target, target);
  return equalBytes(target, plaintext);
}

/** Two blocks, one after the other, beside node:crypto. */
function blockIsRight(candidate: OpenSslCalls): boolean {
  const key = Uint8Array.from({ length: 16 }, (_, index) => index * 11);
  const target = new Uint8Array(32);
  return [1, 2].every((round) => {
    const block = new Uint8Array(16).fill(round);
    candidate.codeBlock(key, block, target.subarray(8, 24));
    return equalBytes(target.subarray(8, 24), createCipheriv("aes-128-ecb", key, null).update(block));
  });
}

export class OpenSslSealing implements SealingMethod {
  readonly #calls: OpenSslCalls;
  readonly #encrypt: Uint8Array = new Uint8Array(32);
  /** r, and behind it s, which is AES-128(mac.k, IV) and changes with each message. */
  readonly #macKey: Uint8Array = new Uint8Array(2 * tagBytes);
  readonly #oneTimeKey: Uint8Array = this.#macKey.subarray(tagBytes);
  readonly #blockKey: Uint8Array = new Uint8Array(16);
  #hasKey = false;

  /** Throws `internal` where OpenSSL cannot be called; ask `canUseOpenSsl` before. */
  constructor() {
    const available = usableCalls();
    if (available === undefined) throw new CofferError("internal", "OpenSSL cannot be called directly in this process");
    this.#calls = available;
  }

  setKey(key: SealingKey): void {
    this.#encrypt.set(key.encrypt);
    this.#macKey.set(key.mac.r);
    this.#blockKey.set(key.mac.k);
    this.#hasKey = true;
  }

  seal(plaintext: Uint8Array, target: Uint8Array, iv: Uint8Array): void {
    this.#beginMac(iv);
    this.#calls.beginCipher(this.#encrypt, iv);
    for (let position = 0; position < plaintext.length; position += pieceBytes) {
      const piece = plaintext.subarray(position, position + pieceBytes);
      const coded = target.subarray(position, position + piece.length);
      this.#calls.code(piece, coded);
      this.#calls.addToMac(coded);
    }
    target.set(this.#calls.finishMac(), plaintext.length);
  }

  tagOf(ciphertext: Uint8Array, iv: Uint8Array): Uint8Array {
    this.#beginMac(iv);
    this.#calls.addToMac(ciphertext);
    return this.#calls.finishMac();
  }

  decrypt(ciphertext: Uint8Array, target: Uint8Array, iv: Uint8Array): void {
    this.#calls.beginCipher(this.#encrypt, iv);
    // In pieces, because OpenSSL takes lengths as 32-bit numbers with sign.
    for (let position = 0; position < ciphertext.length; position += pieceBytes) {
      this.#calls.code(ciphertext.subarray(position, position + pieceBytes), target.subarray(position));
    }
  }

  #beginMac(iv: Uint8Array): void {
    if (!this.#hasKey) throw new CofferError("internal", "sealing expected a key, got none");
    this.#calls.codeBlock(this.#blockKey, iv, this.#oneTimeKey);
    this.#calls.beginMac(this.#macKey);
  }
}
