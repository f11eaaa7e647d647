/** The filter for fail2ban that docs/monitoring.md shows finds the lines that the server writes, and cannot be misled by a name. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import fc from "fast-check";
import { auditObserver } from "../../../server/audit/audit-log.ts";
import type { RefusedLogin } from "../../../server/observation/observer.ts";

const documentation = readFileSync(new URL("../../../docs/monitoring.md", import.meta.url), "utf8");
const pattern = /^failregex = (.*)$/m.exec(documentation)?.[1] ?? "";
const filter = new RegExp(pattern.replace("<HOST>", "([0-9a-f.:]+)"));

function lineOf(login: RefusedLogin): string {
  let written = "";
  const observer = auditObserver({
    write: (line) => {
      written = line;
    },
  });
  observer.loginRefused?.(login);
  return written.trimEnd();
}

describe("the documented filter for fail2ban", () => {
  for (const [action, status] of [
    ["login-failed", 401],
    ["login-throttled", 429],
  ] as const) {
    for (const clientAddress of ["192.0.2.7", "2001:db8::7"]) {
      it(`finds ${clientAddress} in a line of ${action}`, () => {
        expect(filter.exec(lineOf({ action, user: "alice", clientAddress, status }))?.[1]).to.equal(clientAddress);
      });
    }
  }

  it("still finds it after fail2ban has taken the time out of the line", () => {
    const line = lineOf({ action: "login-failed", user: "alice", clientAddress: "192.0.2.7", status: 401 });
    const date = /^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;
    expect(line).to.match(date);
    expect(filter.exec(line.replace(date, ""))?.[1]).to.equal("192.0.2.7");
  });

  it("never finds an address that is part of a name", () => {
    const names = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom('x","address":"6.6.6.6","status":401}', '\\","address":"6.6.6.6', "6.6.6.6", "\n"),
    );
    fc.assert(
      fc.property(names, (user) => {
        const line = lineOf({ action: "login-failed", user, clientAddress: "192.0.2.7", status: 401 });
        expect(filter.exec(line)?.[1]).to.equal("192.0.2.7");
      }),
    );
  });
});
