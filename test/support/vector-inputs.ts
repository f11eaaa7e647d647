/** The trivial generators that chunker.json names its inputs by. */
import { hash } from "node:crypto";

export type VectorInput =
  | { readonly kind: "xorshift32"; readonly seed: number; readonly length: number }
  | { readonly kind: "sha256ctr"; readonly seed: string; readonly length: number }
  | { readonly kind: "constant"; readonly byte: number; readonly length: number }
  | { readonly kind: "repeat"; readonly seed: string; readonly period: number; readonly length: number }
  | { readonly kind: "concat"; readonly parts: readonly VectorInput[] };

export function makeVectorInput(input: VectorInput): Buffer {
  switch (input.kind) {
    case "xorshift32":
      return xorshift32(input.seed, input.length);
    case "sha256ctr":
      return sha256Counter(input.seed, input.length);
    case "constant":
      return Buffer.alloc(input.length, input.byte);
    case "repeat":
      return Buffer.alloc(input.length, sha256Counter(input.seed, input.period));
    case "concat":
      return Buffer.concat(input.parts.map(makeVectorInput));
  }
}

/** state ^= state << 13; state ^= state >>> 17; state ^= state << 5; each state as four little-endian bytes. */
export function xorshift32(seed: number, lengthBytes: number): Buffer {
  const words = new Int32Array(Math.ceil(lengthBytes / 4));
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, lengthBytes);
}

/** SHA-256 of "seed:0", "seed:1", ... */
export function sha256Counter(seed: string, lengthBytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let index = 0; index * 32 < lengthBytes; index++) {
    blocks.push(hash("sha256", `${seed}:${index}`, "buffer"));
  }
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}
