/**
 * Data for the demonstration and the benchmarks, made by seeded generators so that every run backs up the same bytes.
 */
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** An endless stream of bytes that no compressor can shorten: AES in counter mode under a key made from the seed. */
export class RandomBytes {
  readonly #cipher: ReturnType<typeof createCipheriv>;

  constructor(seed: string) {
    const key = createHash("sha256").update(seed).digest();
    this.#cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  }

  next(lengthBytes: number): Buffer {
    return this.#cipher.update(Buffer.alloc(lengthBytes));
  }

  /** A whole number from 0 to limit - 1. */
  below(limit: number): number {
    return this.next(4).readUInt32LE(0) % limit;
  }
}

/** Lines of made-up words whose frequencies fall as in a natural language: zstd halves and halves it again. */
export class SampleText {
  readonly #random: RandomBytes;
  readonly #words: readonly Buffer[];

  constructor(seed: string) {
    this.#random = new RandomBytes(seed);
    this.#words = makeWords(new RandomBytes("words"), 8192);
  }

  next(lengthBytes: number): Buffer {
    const text = Buffer.alloc(lengthBytes);
    let at = 0;
    while (at < lengthBytes) {
      const choices = this.#random.next(4096);
      for (let i = 0; i + 4 <= choices.length && at < lengthBytes; i += 4) {
        // The product of two uniform numbers favours small ranks, like the frequencies of words do.
        const rank = (choices.readUInt16LE(i) * choices.readUInt16LE(i + 2)) / 2 ** 32;
        const word = this.#words[Math.floor(rank * this.#words.length)];
        if (word !== undefined) at += word.copy(text, at);
      }
    }
    return text;
  }
}

function makeWords(random: RandomBytes, count: number): Buffer[] {
  const letters = "eeeeeetttttaaaaooooiiiinnnnsssshhhrrrddlllucmfwygpbvk";
  return Array.from({ length: count }, (_, index) => {
    const length = 2 + random.below(9);
    let word = "";
    for (let i = 0; i < length; i++) word += letters[random.below(letters.length)];
    return Buffer.from(index % 13 === 0 ? `${word}.\n` : `${word} `);
  });
}

/** Writes a file of the given size from a source of bytes, a MiB at a time. */
export function writeLargeFile(
  path: string,
  sizeBytes: number,
  source: { next(lengthBytes: number): Uint8Array },
): void {
  const file = openSync(path, "w");
  try {
    for (let left = sizeBytes; left > 0; ) {
      const piece = source.next(Math.min(left, 1 << 20));
      writeSync(file, piece);
      left -= piece.length;
    }
  } finally {
    closeSync(file);
  }
}

/** `count` files of 0.5 to 4.5 KB of text, 100 in a folder. */
export function writeSmallFiles(folder: string, count: number, seed: string): void {
  const random = new RandomBytes(seed);
  const text = new SampleText(seed);
  for (let i = 0; i < count; i++) {
    const parent = join(folder, `folder-${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${i}.txt`), text.next(500 + random.below(4000)));
  }
}
