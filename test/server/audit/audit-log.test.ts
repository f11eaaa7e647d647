/** The audit log over HTTP: every change, every refusal, every failed login, and nothing else. */
import { expect } from "chai";
import fc from "fast-check";
import { auditObserver } from "../../../server/audit/audit-log.ts";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import type { RefusedLogin } from "../../../server/observation/observer.ts";
import type { RequestSettings } from "../../support/http.ts";
import { type ServedApp, type ServedAppSettings, serveApp } from "../../support/served-app.ts";
import { sha256 } from "../../support/stored-files.ts";

type Line = Record<string, unknown>;

const authenticator: Authenticator = {
  authenticate: async ({ authorization }) => (authorization === `Basic ${btoa("alice:x")}` ? "alice" : undefined),
};

const alice: RequestSettings = { headers: { Authorization: `Basic ${btoa("alice:x")}` } };
const id = sha256("x");
const time = new Date("2026-01-02T03:04:05.678Z");

describe("audit log", () => {
  let served: ServedApp;
  let lines: Line[];

  async function serve(settings: ServedAppSettings = {}): Promise<void> {
    lines = [];
    const log = { write: (line: string) => lines.push(JSON.parse(line) as Line) };
    served = await serveApp({ authenticator, observers: [auditObserver(log, () => time)], ...settings });
  }

  afterEach(() => served.stop());

  const common = { time: time.toISOString(), user: "alice", address: "127.0.0.1" };

  it("has a line for every change", async () => {
    await serve();
    await served.client.send("POST", "/alice/?create=true", alice);
    await served.client.send("POST", "/alice/config", { ...alice, body: "config" });
    await served.client.send("POST", `/alice/data/${id}`, { ...alice, body: "x" });
    await served.client.send("DELETE", `/alice/data/${id}`, alice);
    await served.client.send("DELETE", `/alice/data/${id}`, alice);
    await served.client.send("DELETE", "/alice/config", alice);
    const repository = "alice";
    expect(lines).to.deep.equal([
      { ...common, action: "create", repository, status: 200 },
      { ...common, action: "write", repository, type: "config", bytes: 6, status: 200 },
      { ...common, action: "write", repository, type: "data", id, bytes: 1, status: 200 },
      { ...common, action: "delete", repository, type: "data", id, bytes: 1, status: 200 },
      { ...common, action: "delete", repository, type: "data", id, status: 200 },
      { ...common, action: "delete", repository, type: "config", bytes: 6, status: 200 },
    ]);
  });

  it("has no line for what is only read, and for what is not there", async () => {
    await serve();
    await served.client.send("POST", `/alice/data/${id}`, { ...alice, body: "x" });
    lines = [];
    for (const [method, path] of [
      ["GET", "/alice/data/"],
      ["GET", `/alice/data/${id}`],
      ["HEAD", `/alice/data/${id}`],
      ["GET", "/alice/config"],
      ["GET", "/nothing"],
      ["PUT", "/alice/config"],
      ["GET", "/-/health/live"],
    ] as const) {
      await served.client.send(method, path, alice);
    }
    expect(lines).to.deep.equal([]);
  });

  it("has one line for every refusal", async () => {
    await serve({ appendOnly: true, privateRepositories: true });
    await served.client.send("POST", `/alice/data/${id}`, { ...alice, body: "x" });
    lines = [];
    await served.client.send("POST", `/alice/data/${id}`, { ...alice, body: "y" });
    await served.client.send("POST", `/alice/keys/${id}`, { ...alice, body: "y" });
    await served.client.send("DELETE", `/alice/data/${id}`, alice);
    await served.client.send("GET", `/bob/data/${id}`, alice);
    await served.client.send("GET", "/bob/data/", alice);
    await served.client.send("POST", "/alice/?create=1", alice);
    await served.client.send("DELETE", `/alice/data/${id}`, {
      headers: { ...alice.headers, "Sec-Fetch-Site": "cross-site" },
    });
    const data = { repository: "alice", type: "data", id };
    const target = `/alice/data/${id}`;
    expect(lines).to.deep.equal([
      { ...common, action: "refused", ...data, status: 403 },
      { ...common, action: "refused", ...data, type: "keys", status: 400 },
      { ...common, action: "refused", ...data, status: 403 },
      {
        ...common,
        action: "refused",
        ...data,
        repository: "bob",
        status: 401,
        method: "GET",
        target: `/bob/data/${id}`,
      },
      {
        ...common,
        action: "refused",
        repository: "bob",
        type: "data",
        status: 401,
        method: "GET",
        target: "/bob/data/",
      },
      { ...common, action: "refused", repository: "alice", status: 400, method: "POST", target: "/alice/?create=1" },
      { ...common, user: "", action: "refused", status: 403, method: "DELETE", target },
    ]);
  });

  it("has one line for every login that failed, and for every one that was throttled", async () => {
    const loginThrottle = {
      admit: async ({ user }: { user: string }) =>
        user === "guesser"
          ? ({ isAdmitted: false, retryAfterMs: 1 } as const)
          : ({ isAdmitted: true, delayMs: 0 } as const),
      settle: async () => undefined,
    };
    await serve({ loginThrottle });
    const as = (credentials: string): RequestSettings => ({ headers: { Authorization: `Basic ${btoa(credentials)}` } });
    await served.client.send("GET", "/alice/config", as("alice:wrong"));
    await served.client.send("GET", "/alice/config", as("guesser:x"));
    await served.client.send("GET", "/alice/config");
    expect(lines).to.deep.equal([
      { ...common, action: "login-failed", status: 401 },
      { ...common, action: "login-throttled", user: "guesser", status: 429 },
      { ...common, action: "refused", user: "", status: 401, method: "GET", target: "/alice/config" },
    ]);
  });

  it("has one line of ASCII for whatever name a stranger makes up", async () => {
    await serve();
    const written: string[] = [];
    const observer = auditObserver({ write: (line) => written.push(line) }, () => time);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (user) => {
        written.length = 0;
        const login: RefusedLogin = { action: "login-failed", user, clientAddress: "192.0.2.7", status: 401 };
        observer.loginRefused?.(login);
        expect(written).to.have.length(1);
        expect(written[0]).to.match(/^[\x20-\x7e]*\n$/);
        const line = JSON.parse(written[0] ?? "") as Line;
        expect(Object.keys(line)).to.deep.equal(["time", "action", "user", "address", "status"]);
        expect(line["user"]).to.satisfy((name: string) => name === user || name.startsWith(user.slice(0, 256)));
      }),
    );
  });

  it("has the address of the client behind a trusted proxy", async () => {
    const { TrustedProxies } = await import("../../../server/http/trusted-proxies.ts");
    await serve({ trustedProxies: new TrustedProxies("127.0.0.1") });
    const headers = { ...alice.headers, "X-Forwarded-For": "6.6.6.6, 2001:db8::7" };
    await served.client.send("POST", "/alice/?create=true", { headers });
    expect(lines.map(({ action, address }) => [action, address])).to.deep.equal([["create", "2001:db8::7"]]);
  });
});
