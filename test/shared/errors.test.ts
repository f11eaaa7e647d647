/** docs/errors.md and the program say the same about every code. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { exitStatusOf } from "../../client/cli/exit-status.ts";
import { statusOfError } from "../../server/http/statuses.ts";
import { CofferError, type ErrorCode, errorCodes, hasErrorCode } from "../../shared/errors.ts";

interface DocumentedCode {
  readonly code: string;
  readonly meaning: string;
  readonly exitStatus: string;
  readonly httpStatus: string;
  readonly advice: string;
}

function readDocument(): readonly DocumentedCode[] {
  const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => {
      const cells = line.split("|").map((cell) => cell.trim());
      const [, code = "", meaning = "", exitStatus = "", httpStatus = "", advice = ""] = cells;
      return { code: code.replaceAll("`", ""), meaning, exitStatus, httpStatus, advice };
    });
}

describe("the catalogue of errors", () => {
  const documented = readDocument();
  const codes = Object.keys(errorCodes) as ErrorCode[];

  it("is documented whole, in its order, and nothing else is", () => {
    expect(documented.map(({ code }) => code)).to.deep.equal(codes);
  });

  for (const row of documented) {
    it(`has ${row.code} as documented`, () => {
      const code = row.code as ErrorCode;
      expect(row.meaning).to.equal(errorCodes[code]);
      expect(row.exitStatus).to.equal(String(exitStatusOf(new CofferError(code, "message"))));
      expect(row.httpStatus).to.equal(code === "cancelled" ? "" : String(statusOfError(code)));
      expect(row.advice).to.match(/^.{20,}[.`]$/);
    });
  }

  it("tells its codes from each other and from foreign errors", () => {
    const cause = new Error("cause");
    const error = new CofferError("locked", "message", { cause, data: { pid: 1 } });
    expect([error.cause, error.data, error.name]).to.deep.equal([cause, { pid: 1 }, "CofferError"]);
    expect(hasErrorCode(error, "usage", "locked")).to.equal(true);
    expect(hasErrorCode(error, "usage")).to.equal(false);
    expect(hasErrorCode(Object.assign(new Error("locked"), { code: "locked" }), "locked")).to.equal(false);
  });
});
