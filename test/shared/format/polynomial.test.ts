import { expect } from "chai";
import {
  derivePolynomial,
  formatPolynomial,
  isIrreducible,
  parsePolynomial,
} from "../../../shared/format/polynomial.ts";
import { sha256Counter } from "../../support/vector-inputs.ts";
import { readVectors } from "../../support/vectors.ts";

interface PolynomialVectors {
  readonly polynomial_derivation: {
    readonly cases: readonly {
      readonly stream: { readonly seed: string };
      readonly candidates_tried: number;
      readonly polynomial: string;
    }[];
  };
  readonly irreducible: Readonly<Record<string, boolean>>;
}

const vectors = readVectors<PolynomialVectors>("chunker");

/** True when a polynomial of a smaller degree than its own, but not 1, divides it: by trying them all. */
function hasDivisor(polynomial: number): boolean {
  const degree = (value: number): number => 31 - Math.clz32(value);
  for (let divisor = 2; degree(divisor) < degree(polynomial); divisor++) {
    let rest = polynomial;
    while (rest !== 0 && degree(rest) >= degree(divisor)) rest ^= divisor << (degree(rest) - degree(divisor));
    if (rest === 0) return true;
  }
  return false;
}

describe("polynomial", () => {
  for (const [hex, expected] of Object.entries(vectors.irreducible)) {
    it(`${hex} is ${expected ? "" : "not "}irreducible`, () => {
      expect(isIrreducible(BigInt(`0x${hex}`))).to.equal(expected);
    });
  }

  it("agrees with trying all divisors up to degree 9", () => {
    for (let polynomial = 2; polynomial < 1024; polynomial++) {
      expect(isIrreducible(BigInt(polynomial)), polynomial.toString(2)).to.equal(!hasDivisor(polynomial));
    }
    expect(isIrreducible(0n)).to.equal(false);
    expect(isIrreducible(1n)).to.equal(false);
  });

  for (const { stream, candidates_tried: tried, polynomial } of vectors.polynomial_derivation.cases) {
    it(`derives ${polynomial} from ${stream.seed} in ${tried} draws`, () => {
      const bytes = sha256Counter(stream.seed, 8 * tried);
      let draws = 0;
      const derived = derivePolynomial((lengthBytes) => {
        expect(lengthBytes).to.equal(8);
        draws += 1;
        return bytes.subarray(8 * (draws - 1), 8 * draws);
      });
      expect(formatPolynomial(derived)).to.equal(polynomial);
      expect(draws).to.equal(tried);
    });
  }

  it("reads what it writes", () => {
    expect(formatPolynomial(parsePolynomial("3da3358b4dc173"))).to.equal("3da3358b4dc173");
  });

  it("refuses other degrees, reducible polynomials and other texts", () => {
    const bad = [
      "",
      "0x3da3358b4dc1",
      "3DA3358B4DC173",
      "7da3358b4dc173",
      "1da3358b4dc173",
      "20000000000001",
      "3",
      " 3da3358b4dc173",
    ];
    for (const text of bad)
      expect(() => parsePolynomial(text), text)
        .to.throw()
        .with.property("code", "malformed");
  });

  it("gives up on a source that is not random", () => {
    expect(() => derivePolynomial(() => new Uint8Array(8))).to.throw("not random bytes");
  });
});
