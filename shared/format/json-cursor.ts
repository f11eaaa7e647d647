/**
 * A strict JSON reader over bytes that makes neither objects nor texts: for index files with millions of entries and for
 * the trees that `check` walks. The caller drives it along the shape that it expects and skips what it does not know.
 * Everything that is not the expected JSON is a `malformed` error with its offset; nesting is bounded.
 */
import { CofferError } from "../errors.ts";
import { utf8Decode, utf8Encode } from "./bytes.ts";

/** Keys, or fixed texts, that a cursor can recognise; results are their positions in the list. */
export class JsonWords {
  readonly texts: readonly string[];
  /** Each word in quotes, as UTF-8. */
  readonly quoted: readonly Uint8Array[];

  constructor(...texts: string[]) {
    this.texts = texts;
    this.quoted = texts.map((text) => utf8Encode(JSON.stringify(text)));
  }
}

/** What `nextKey` gives at the end of the object. */
export const endOfObject = -1;
/** What `nextKey` and `readWord` give for a text that is not among the words. */
export const unknownWord = -2;

const maxDepth = 200;
// With the u flag a surrogate pair is one character, so only lone surrogates match.
const loneSurrogate = /\p{Surrogate}/u;
const noWords = new JsonWords();

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const plus = 0x2b;
const minus = 0x2d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const backslash = 0x5c;

/** The value of a lower-case hex digit; 16 for every other byte. */
const hexValues: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) || (byte >= 0x41 && byte <= 0x46) ? 16 : value;
});

export class JsonCursor {
  readonly #what: string;
  readonly #bytes: Uint8Array;
  #offset: number;
  /** True between the opening of an object or array and its first member, which no comma precedes. */
  #isAtFirst = false;

  /** `what` names the document in messages. */
  constructor(what: string, bytes: Uint8Array, offset = 0) {
    this.#what = what;
    this.#bytes = bytes;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Opens an object; call `nextKey` until it gives `endOfObject`, and read or skip the value after each key. */
  enterObject(): void {
    this.#expect(openBrace, "an object");
    this.#isAtFirst = true;
  }

  /** The position of the next key among `words`, `unknownWord`, or `endOfObject`, which closes the object. */
  nextKey(words: JsonWords, expected = 0): number {
    if (this.#closes(closeBrace)) return endOfObject;
    const word = this.readWord(words, expected);
    this.#expect(colon, '":"');
    return word;
  }

  /** Opens an array; call `nextItem` until it gives false, and read or skip each item. */
  enterArray(): void {
    this.#expect(openBracket, "an array");
    this.#isAtFirst = true;
  }

  /** True when an item follows; false closes the array. */
  nextItem(): boolean {
    return !this.#closes(closeBracket);
  }

  /** Consumes `null` if that is what comes. */
  readNull(): boolean {
    if (this.#peek() !== 0x6e) return false;
    this.#readLiteral("null");
    return true;
  }

  /** The position of a string among `words`, or `unknownWord`. `expected` is tried first. */
  readWord(words: JsonWords, expected = 0): number {
    if (this.#peek() !== quote) this.fail("a text");
    const { quoted } = words;
    for (let tried = 0; tried < quoted.length; tried++) {
      const index = (expected + tried + quoted.length) % quoted.length;
      const word = quoted[index];
      if (word !== undefined && this.#startsWith(word)) {
        this.#offset += word.length;
        return index;
      }
    }
    const start = this.#offset;
    const hasEscapes = this.#skipString();
    if (!hasEscapes) return unknownWord;
    const index = words.texts.indexOf(this.#textFrom(start));
    return index < 0 ? unknownWord : index;
  }

  /** A text. Throws `malformed` on invalid UTF-8 and on lone surrogates too. */
  readString(): string {
    if (this.#peek() !== quote) this.fail("a text");
    const start = this.#offset;
    this.#skipString();
    return this.#textFrom(start);
  }

  /**
   * The bytes between the quotes of a text without escapes, as a view; undefined, with nothing consumed, when the text
   * has escapes. That they are UTF-8 is not checked.
   */
  readPlainBytes(): Uint8Array | undefined {
    if (this.#peek() !== quote) this.fail("a text");
    const start = this.#offset;
    if (!this.#skipString()) return this.#bytes.subarray(start + 1, this.#offset - 1);
    this.#offset = start;
    return undefined;
  }

  /** 64 lower-case hex digits, written as 32 bytes to `target` at `targetOffset`. */
  readId(target: Uint8Array, targetOffset = 0): void {
    if (this.#peek() !== quote) this.fail("an id");
    const bytes = this.#bytes;
    const start = this.#offset + 1;
    let invalid = 0;
    for (let index = 0; index < 32; index++) {
      const high = hexValues[bytes[start + 2 * index] ?? 0] ?? 16;
      const low = hexValues[bytes[start + 2 * index + 1] ?? 0] ?? 16;
      invalid |= high | low;
      target[targetOffset + index] = (high << 4) | low;
    }
    if ((invalid & 16) !== 0 || bytes[start + 64] !== quote) this.fail("an id of 64 lower-case hex digits");
    this.#offset = start + 65;
  }

  /** A whole number from 0 to `maximum`, which is at most 2^53 - 1. */
  readInteger(maximum: number): number {
    const first = this.#peek();
    if (!isDigit(first)) this.fail(`a whole number from 0 to ${maximum}`);
    const bytes = this.#bytes;
    let value = 0;
    let offset = this.#offset;
    for (let byte = first; isDigit(byte) && value <= maximum; byte = bytes[++offset] ?? 0) {
      value = value * 10 + (byte - 0x30);
    }
    const hasLeadingZero = first === 0x30 && offset > this.#offset + 1;
    const next = bytes[offset];
    const hasFraction = next === 0x2e || next === 0x65 || next === 0x45;
    if (value > maximum || hasLeadingZero || hasFraction) this.fail(`a whole number from 0 to ${maximum}`);
    this.#offset = offset;
    return value;
  }

  /** Moves past a value of any kind, checking its syntax. */
  skipValue(depth = 0): void {
    if (depth > maxDepth) this.fail(`at most ${maxDepth} levels`);
    const first = this.#peek();
    if (first === quote) this.#skipString();
    else if (first === openBrace) this.#skipObject(depth);
    else if (first === openBracket) this.#skipArray(depth);
    else if (first === minus || isDigit(first)) this.#skipNumber();
    else if (first === 0x74) this.#readLiteral("true");
    else if (first === 0x66) this.#readLiteral("false");
    else this.#readLiteral("null");
  }

  /** Throws unless only white space is left. */
  end(): void {
    this.#peek();
    if (this.#offset < this.#bytes.length) this.fail("the end");
  }

  /** Throws `malformed`: something else was expected here. */
  fail(expected: string): never {
    const byte = this.#bytes[this.#offset];
    const found = byte === undefined ? "the end" : JSON.stringify(String.fromCharCode(byte));
    throw new CofferError("malformed", `${this.#what} expected ${expected} at byte ${this.#offset}, got ${found}`);
  }

  #skipObject(depth: number): void {
    this.enterObject();
    while (this.nextKey(noWords) !== endOfObject) this.skipValue(depth + 1);
  }

  #skipArray(depth: number): void {
    this.enterArray();
    while (this.nextItem()) this.skipValue(depth + 1);
  }

  #skipNumber(): void {
    if (this.#bytes[this.#offset] === minus) this.#offset++;
    if (this.#bytes[this.#offset] === 0x30) this.#offset++;
    else this.#skipDigits();
    if (this.#bytes[this.#offset] === 0x2e) {
      this.#offset++;
      this.#skipDigits();
    }
    const exponent = this.#bytes[this.#offset];
    if (exponent !== 0x65 && exponent !== 0x45) return;
    const sign = this.#bytes[++this.#offset];
    if (sign === plus || sign === minus) this.#offset++;
    this.#skipDigits();
  }

  /** One digit at least. What follows is judged by who reads next: a comma or a bracket must come. */
  #skipDigits(): void {
    const start = this.#offset;
    while (isDigit(this.#bytes[this.#offset] ?? 0)) this.#offset++;
    if (this.#offset === start) this.fail("a digit");
  }

  /** Moves past the string that begins here. True when it has escapes. */
  #skipString(): boolean {
    const bytes = this.#bytes;
    const end = bytes.length;
    let hasEscapes = false;
    let offset = this.#offset + 1;
    for (; offset < end; offset++) {
      const byte = bytes[offset] ?? 0;
      if (byte === quote) {
        this.#offset = offset + 1;
        return hasEscapes;
      }
      if (byte < 0x20) break;
      if (byte === backslash) {
        hasEscapes = true;
        offset = this.#skipEscape(offset + 1);
      }
    }
    this.#offset = offset;
    return this.fail("a text that ends with a quote");
  }

  /** The offset of the last byte of the escape whose letter is at `offset`. */
  #skipEscape(offset: number): number {
    const letter = String.fromCharCode(this.#bytes[offset] ?? 0);
    this.#offset = offset;
    if (letter !== "u") return '"\\/bfnrt'.includes(letter) ? offset : this.fail("an escape");
    for (let digit = 1; digit <= 4; digit++) {
      if (!/[0-9a-fA-F]/.test(String.fromCharCode(this.#bytes[offset + digit] ?? 0))) this.fail("four hex digits");
    }
    return offset + 4;
  }

  /** The text of the string from `start` to here, whose syntax was checked. */
  #textFrom(start: number): string {
    const text: string = JSON.parse(utf8Decode(this.#bytes.subarray(start, this.#offset)));
    if (loneSurrogate.test(text)) {
      this.#offset = start;
      this.fail("a text without lone surrogates");
    }
    return text;
  }

  /** Consumes the closing bracket, or the comma before the next member. */
  #closes(bracket: number): boolean {
    const byte = this.#peek();
    if (byte === bracket) {
      this.#offset++;
      this.#isAtFirst = false;
      return true;
    }
    if (this.#isAtFirst) this.#isAtFirst = false;
    else this.#expect(comma, '"," or the closing bracket');
    return false;
  }

  #expect(byte: number, expected: string): void {
    if (this.#peek() !== byte) this.fail(expected);
    this.#offset++;
  }

  #startsWith(word: Uint8Array): boolean {
    const bytes = this.#bytes;
    const start = this.#offset;
    for (let index = 1; index < word.length; index++) {
      if (bytes[start + index] !== word[index]) return false;
    }
    return true;
  }

  #readLiteral(literal: string): void {
    for (let index = 0; index < literal.length; index++) {
      if (this.#bytes[this.#offset + index] !== literal.charCodeAt(index)) this.fail("a value");
    }
    this.#offset += literal.length;
  }

  /** The next byte that is not white space, without consuming it; 0 at the end. */
  #peek(): number {
    for (;;) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) return 0;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#offset++;
    }
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
