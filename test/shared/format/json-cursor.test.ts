import { expect } from "chai";
import fc from "fast-check";
import { CofferError } from "../../../shared/errors.ts";
import { utf8Encode } from "../../../shared/format/bytes.ts";
import { endOfObject, JsonCursor, JsonWords, unknownWord } from "../../../shared/format/json-cursor.ts";

function cursorOn(text: string): JsonCursor {
  return new JsonCursor("document", utf8Encode(text));
}

function skips(text: string): boolean {
  try {
    const cursor = cursorOn(text);
    cursor.skipValue();
    cursor.end();
    return true;
  } catch (error) {
    if (error instanceof CofferError && error.code === "malformed") return false;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("the JSON cursor", () => {
  it("takes for JSON what JSON.parse takes for it", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4, stringUnit: "binary" }), (text) => {
        expect(skips(text)).to.equal(true);
        expect(skips(` ${text}\n`)).to.equal(true);
      }),
    );
  });

  it("refuses what JSON.parse refuses", () => {
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "\\",
      "\\u00e9",
      "1",
      "0",
      "-",
      ".",
      "e",
      "+",
      "true",
      "null",
      "nul",
      " ",
      "\n",
      "\u0001",
      "é",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (parts) => {
        const text = parts.join("");
        expect(skips(text), JSON.stringify(text)).to.equal(parses(text));
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses what JSON.parse refuses after any change of one character", () => {
    const change = fc.record({
      at: fc.nat(200),
      character: fc.constantFrom(...'{}[],:"\\0123456789.eE+-truefalsn x\n'),
    });
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), change, (text, { at, character }) => {
        const changed = text.slice(0, at % text.length) + character + text.slice((at % text.length) + 1);
        expect(skips(changed), JSON.stringify(changed)).to.equal(parses(changed));
      }),
      { numRuns: 5000 },
    );
  });

  it("recognises keys, whatever was expected, and goes on after unknown ones", () => {
    const words = new JsonWords("a", "b", "ü");
    const cursor = cursorOn('{"b":1,"aa":[2],"ü":3,"\\u0061":4,"\\u0062x":5}');
    cursor.enterObject();
    const found: number[] = [];
    for (let key = cursor.nextKey(words); key !== endOfObject; key = cursor.nextKey(words, key + 1)) {
      found.push(key);
      cursor.skipValue();
    }
    expect(found).to.deep.equal([1, unknownWord, 2, 0, unknownWord]);
    cursor.end();
  });

  it("reads texts with every escape", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(cursorOn(JSON.stringify(text)).readString()).to.equal(text);
      }),
    );
    expect(cursorOn('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\ud83d\\ude00"').readString()).to.equal('"\\/\b\f\n\r\té😀');
    expect(() => cursorOn('"\\ud800"').readString()).to.throw("lone surrogates");
    expect(() => cursorOn("5").readString()).to.throw("expected a text");
  });

  it("gives the bytes of plain texts without copying, and nothing for others", () => {
    const plain = cursorOn('"aü"');
    expect([...plain.readPlainBytes()!]).to.deep.equal([0x61, 0xc3, 0xbc]);
    plain.end();
    const escaped = cursorOn('"a\\n"');
    expect(escaped.readPlainBytes()).to.equal(undefined);
    expect(escaped.readString()).to.equal("a\n");
  });

  it("reads whole numbers up to a maximum", () => {
    expect(cursorOn("9007199254740991").readInteger(Number.MAX_SAFE_INTEGER)).to.equal(Number.MAX_SAFE_INTEGER);
    expect(cursorOn("0").readInteger(0)).to.equal(0);
    for (const text of ["9007199254740992", "99999999999999999999", "-1", "1.5", "1e2", "01", "", '"1"']) {
      expect(() => cursorOn(text).readInteger(Number.MAX_SAFE_INTEGER), text).to.throw("a whole number");
    }
  });

  it("says where something else came", () => {
    expect(() => cursorOn('{"a" 1}').skipValue()).to.throw('document expected ":" at byte 5, got "1"');
    expect(() => cursorOn('{"a":').skipValue()).to.throw("document expected a value at byte 5, got the end");
  });
});
