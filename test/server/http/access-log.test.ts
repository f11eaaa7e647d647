import { expect } from "chai";
import fc from "fast-check";
import supertest from "supertest";
import { createApp } from "../../../server/app.ts";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import { type AccessLogFormat, accessLogObserver } from "../../../server/http/access-log.ts";
import type { FinishedRequest } from "../../../server/observation/observer.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";

const request: FinishedRequest = {
  user: "alice",
  clientAddress: "192.0.2.7",
  peerAddress: "127.0.0.1",
  began: new Date(2026, 0, 2, 15, 4, 5),
  durationMs: 1.23456,
  method: "GET",
  target: "/alice/config",
  httpVersion: "1.1",
  status: 200,
  sentBytes: 155,
  referer: undefined,
  userAgent: "Go-http-client/1.1",
  address: undefined,
  isRefusalTold: false,
};

function lineOf(format: AccessLogFormat, changes: Partial<FinishedRequest> = {}): string {
  const lines: string[] = [];
  accessLogObserver({ write: (line) => lines.push(line) }, format).requestEnded?.({ ...request, ...changes });
  expect(lines).to.have.length(1);
  return lines[0] ?? "";
}

/** Whatever splits lines somewhere, and the marks that turn around what a terminal shows. */
const nasty = [
  "\n",
  "\r\n",
  "\0",
  "\u001b[2J",
  "\u007f",
  "\u0085",
  "\u2028",
  "\u2029",
  "\u202e",
  "\ufeff",
  '"',
  "\\",
  " - - ",
  "\ud800",
  "💾",
];
const strangers = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.constantFrom(...nasty)).map((all) => all.join("")),
);

describe("access log", () => {
  it("has the user and the client's address in the combined format", () => {
    const time = "\\[02/Jan/2026:15:04:05 [+-]\\d{4}\\]";
    expect(lineOf("combined")).to.match(
      new RegExp(
        `^192\\.0\\.2\\.7 - alice ${time} "GET /alice/config HTTP/1\\.1" 200 155 "" "Go-http-client/1\\.1"\n$`,
      ),
    );
    expect(lineOf("combined", { user: "" })).to.match(/^192\.0\.2\.7 - - \[/);
  });

  it("is JSON on demand", () => {
    expect(JSON.parse(lineOf("json"))).to.deep.equal({
      time: request.began.toISOString(),
      address: "192.0.2.7",
      peer: "127.0.0.1",
      user: "alice",
      method: "GET",
      target: "/alice/config",
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 155,
      durationMs: 1.235,
      referer: "",
      userAgent: "Go-http-client/1.1",
    });
  });

  it("cannot be made to have another line or another field, whatever a client sends", () => {
    const combined =
      /^192\.0\.2\.7 - [\x21-\x7e]+ \[[^\]]*\] "(?:[^"\\]|\\.)*" 200 155 "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"\n$/;
    fc.assert(
      fc.property(strangers, strangers, strangers, strangers, (user, target, referer, userAgent) => {
        const line = lineOf("combined", { user, target, referer, userAgent });
        expect(line).to.match(combined);
        expect(line).to.match(/^[\x20-\x7e]*\n$/);
        const json = lineOf("json", { user, target, referer, userAgent });
        expect(json).to.match(/^[\x20-\x7e]*\n$/);
        expect(JSON.parse(json)).to.include({ user, target, referer, userAgent });
      }),
    );
  });

  it("writes a user that is not ASCII as its bytes, and none as a dash", () => {
    expect(lineOf("combined", { user: "ümlaut" }).split(" ")[2]).to.equal("\\xc3\\xbcmlaut");
    expect(lineOf("combined", { user: "-" }).split(" ")[2]).to.equal("\\x2d");
    expect(lineOf("combined", { user: "a b" }).split(" ")[2]).to.equal("a\\x20b");
  });

  it("knows the user of a request that was let in, and none of one that was not", async () => {
    const lines: string[] = [];
    const authenticator: Authenticator = {
      authenticate: async ({ authorization }) => (authorization === "Basic eDp5" ? "x" : undefined),
    };
    const app = createApp({
      repositories: new MemoryRepositories(),
      authenticator,
      accessLog: { write: (line) => lines.push(line) },
      accessLogFormat: "json",
    });
    await supertest(app).get("/r/config").auth("x", "y").expect(404);
    await supertest(app).get("/r/config").auth("x", "wrong").expect(401);
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map(({ user, status, bytes, target }) => [user, status, bytes, target])).to.deep.equal([
      ["x", 404, 10, "/r/config"],
      ["", 401, 13, "/r/config"],
    ]);
    for (const { durationMs } of records) expect(durationMs).to.be.greaterThan(0);
  });
});
