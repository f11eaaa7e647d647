/** Metrics over HTTP: case X23 of docs/protocol.md 3, and what is counted. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import promClient from "prom-client";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import { LabelSets } from "../../../server/metrics/label-sets.ts";
import type { ProcessMetrics } from "../../../server/metrics/prom-client.ts";
import { type MetricsSettings, ServerMetrics } from "../../../server/metrics/server-metrics.ts";
import type { RequestSettings } from "../../support/http.ts";
import { type ServedApp, type ServedAppSettings, serveApp } from "../../support/served-app.ts";
import { sha256, testBytes } from "../../support/stored-files.ts";

/** Everybody is who they say they are. */
const authenticator: Authenticator = {
  authenticate: async ({ authorization }) =>
    authorization === undefined ? undefined : Buffer.from(authorization.slice(6), "base64").toString().split(":")[0],
};

const as = (user: string): RequestSettings => ({ headers: { Authorization: `Basic ${btoa(`${user}:x`)}` } });

describe("metrics", () => {
  let served: ServedApp;
  const told: string[] = [];

  afterEach(async () => {
    await served.stop();
    told.length = 0;
  });

  async function serve(
    settings: ServedAppSettings = {},
    metricsSettings: Partial<MetricsSettings> = {},
  ): Promise<void> {
    const metrics = new ServerMetrics(promClient, { log: (line) => told.push(line), ...metricsSettings });
    served = await serveApp({
      authenticator,
      observers: [metrics.observer],
      metrics: { page: () => metrics.page(), isPublic: true },
      ...settings,
    });
  }

  /** The samples whose names begin like this: name with labels to value. */
  async function samples(prefix: string): Promise<Record<string, number>> {
    const { text } = await served.client.send("GET", "/metrics");
    const lines = text.split("\n").filter((line) => line.startsWith(prefix));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
    );
  }

  const counters = (user: string, repo: string, type: string, values: Record<string, number>): object =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        `rest_server_blob_${name}_total{user="${user}",repo="${repo}",type="${type}"}`,
        value,
      ]),
    );

  it("counts what is read, written and deleted, by user, repository and type", async () => {
    await serve();
    const content = testBytes("metrics", 170);
    const id = sha256(content);
    const object = `/alice/laptop/data/${id}`;
    const send = (method: string, path: string, settings: RequestSettings = {}): Promise<number> =>
      served.client
        .send(method, path, { ...settings, headers: { ...as("alice").headers, ...settings.headers } })
        .then(({ status }) => status);
    expect(await send("POST", "/alice/laptop/?create=true")).to.equal(200);
    expect(await send("POST", object, { body: content })).to.equal(200);
    expect(await send("GET", object)).to.equal(200);
    expect(await send("GET", object, { headers: { Range: "bytes=0-9" } })).to.equal(206);
    expect(await send("GET", object, { headers: { "If-None-Match": "*" } })).to.equal(304);
    // The 33 bytes of its text count as well, as with rest-server.
    expect(await send("GET", object, { headers: { Range: "bytes=170-" } })).to.equal(416);
    expect(await send("DELETE", object)).to.equal(200);
    const values = {
      write: 1,
      write_bytes: 170,
      read: 4,
      read_bytes: 170 + 10 + 0 + 33,
      delete: 1,
      delete_bytes: 170,
    };
    expect(await samples("rest_server_")).to.deep.equal(counters("alice", "alice/laptop", "data", values));
  });

  it("does not count config, HEAD, lists, failures, and what was not there to be deleted", async () => {
    await serve({ appendOnly: true });
    const id = sha256("x");
    for (const [method, path, body, status] of [
      ["POST", "/?create=true", undefined, 200],
      ["POST", "/config", "x", 200],
      ["GET", "/config", undefined, 200],
      ["HEAD", "/config", undefined, 200],
      ["DELETE", "/config", undefined, 403],
      ["POST", `/data/${id}`, "y", 400],
      ["GET", `/data/${id}`, undefined, 404],
      ["POST", `/data/${id}`, "x", 200],
      ["HEAD", `/data/${id}`, undefined, 200],
      ["GET", "/data/", undefined, 200],
      ["POST", `/data/${id}`, "y", 403],
      ["DELETE", `/data/${id}`, undefined, 403],
      ["DELETE", `/locks/${id}`, undefined, 200],
      ["PUT", `/data/${id}`, "x", 405],
    ] as const) {
      const reply = await served.client.send(method, path, { ...as("bob"), ...(body === undefined ? {} : { body }) });
      expect(reply.status, `${method} ${path}`).to.equal(status);
    }
    expect(await samples("rest_server_")).to.deep.equal(counters("bob", "", "data", { write: 1, write_bytes: 1 }));
  });

  it("counts one of several deletions of the same object at once", async () => {
    await serve();
    const id = sha256("x");
    await served.client.send("POST", `/r/keys/${id}`, { ...as("alice"), body: "x" });
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => served.client.send("DELETE", `/r/keys/${id}`, as("alice"))),
    );
    for (const { status } of replies) expect(status).to.equal(200);
    expect(await samples("rest_server_blob_delete")).to.deep.equal(
      counters("alice", "r", "keys", { delete: 1, delete_bytes: 1 }),
    );
  });

  it("does not count an upload that broke off", async () => {
    await serve();
    const wrong = await served.client.send("POST", `/r/data/${sha256("abc")}`, { ...as("alice"), body: "ab" });
    expect(wrong.status).to.equal(400);
    expect(await samples("rest_server_")).to.deep.equal({});
  });

  it("escapes names so that nobody can make up a line", async () => {
    await serve();
    const id = sha256("x");
    await served.client.send("POST", `/a%22%5C%0Ab/data/${id}`, { ...as("alice"), body: "x" });
    const found = await samples("rest_server_blob_write_total");
    expect(found).to.deep.equal(counters("alice", 'a\\"\\\\\\nb', "data", { write: 1 }));
  });

  it("keeps the number of labels bounded, and says once when it is reached", async () => {
    await serve({}, { mostLabelSets: 2 });
    const id = sha256("x");
    for (const repository of ["a", "b", "c", "d", "a"]) {
      await served.client.send("POST", `/${repository}/locks/${id}`, { ...as("alice"), body: "x" });
    }
    expect(await samples("rest_server_blob_write_total")).to.deep.equal({
      ...counters("alice", "a", "locks", { write: 2 }),
      ...counters("alice", "b", "locks", { write: 1 }),
      ...counters("other", "other", "locks", { write: 2 }),
    });
    expect(told).to.have.length(1);
    expect(told[0]).to.match(/more than 2 combinations/);
  });

  it("keeps names apart that look alike when they are put together", () => {
    const sets = new LabelSets(10, () => undefined);
    expect(sets.labelsOf("b", ["a"], "data")).to.deep.equal({ user: "b", repo: "a", type: "data" });
    expect(sets.labelsOf("", ["a", "b"], "data")).to.deep.equal({ user: "", repo: "a/b", type: "data" });
    expect(sets.labelsOf("b", ["a"], "data")).to.equal(sets.labelsOf("b", ["a"], "data"));
  });

  it("has the metrics of the process and of this server, in Prometheus' format", async () => {
    await serve(
      {},
      { probe: { readiness: async () => undefined, space: async () => ({ freeBytes: 3, totalBytes: 10 }) } },
    );
    await served.client.send("GET", "/config", as("alice"));
    await served.client.send("BREW", "/config", as("alice")).catch(() => undefined);
    const reply = await served.client.send("GET", "/metrics");
    expect(reply.headers["content-type"]).to.equal("text/plain; version=0.0.4; charset=utf-8");
    for (const line of reply.text.split("\n")) {
      expect(line).to.match(/^$|^# (?:HELP|TYPE) [a-z0-9_]+ .+$|^[a-z0-9_]+(?:\{.*\})? (?:-?[\d.e+-]+|Nan|[+-]Inf)$/);
    }
    for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_seconds"]) {
      expect(reply.text).to.include(`# TYPE ${name} `);
    }
    expect(await samples("coffer_http_requests_total")).to.include({
      'coffer_http_requests_total{method="GET",status="4xx"}': 1,
    });
    expect(await samples("coffer_http_request_duration_seconds_count")).to.have.property(
      'coffer_http_request_duration_seconds_count{method="GET"}',
    );
    expect(await samples("coffer_storage")).to.deep.equal({
      coffer_storage_free_bytes: 3,
      coffer_storage_used_bytes: 7,
    });
    expect(await samples("coffer_http_requests_running")).to.deep.equal({ coffer_http_requests_running: 1 });
  });

  it("counts logins that were refused", async () => {
    const throttle = {
      admit: async ({ user }: { user: string }) =>
        user === "guesser"
          ? ({ isAdmitted: false, retryAfterMs: 1 } as const)
          : ({ isAdmitted: true, delayMs: 0 } as const),
      settle: async () => undefined,
    };
    const strict: Authenticator = { authenticate: async () => undefined };
    await serve({ authenticator: strict, loginThrottle: throttle });
    await served.client.send("GET", "/config", as("alice"));
    await served.client.send("GET", "/config", as("guesser"));
    await served.client.send("GET", "/config", as("guesser"));
    await served.client.send("GET", "/config");
    expect(await samples("coffer_refused_logins_total")).to.deep.equal({
      'coffer_refused_logins_total{action="login-failed"}': 1,
      'coffer_refused_logins_total{action="login-throttled"}': 2,
    });
  });

  it("add up over processes", async () => {
    await serve();
    const one = new ServerMetrics(promClient, { log: () => undefined });
    const other = new ServerMetrics(promClient, { log: () => undefined });
    const change = { user: "alice", clientAddress: "-", folders: ["r"], status: 200, action: "write" } as const;
    for (const metrics of [one, other, other]) {
      metrics.observer.storageChanged?.({ ...change, handle: { type: "data", id: sha256("x") }, sizeBytes: 5 });
    }
    const values = await Promise.all([one, other].map(({ registry }) => registry.getMetricsAsJSON()));
    const merged = await promClient.AggregatorRegistry.aggregate(values).metrics();
    expect(merged).to.match(/^rest_server_blob_write_total\{[^}]*repo="r"[^}]*\} 3$/m);
    expect(merged).to.match(/^rest_server_blob_write_bytes_total\{[^}]*\} 15$/m);
  });

  describe("X23: who sees them", () => {
    const isPublic = false;

    async function statusOf(path: string, user?: string, method = "GET"): Promise<number> {
      return (await served.client.send(method, path, user === undefined ? {} : as(user))).status;
    }

    const page = async (): Promise<{ status: number; contentType: string; text: string }> => ({
      status: 200,
      contentType: "text/plain",
      text: "metrics",
    });

    it("any user, and nobody else", async () => {
      await serve({ metrics: { page, isPublic } });
      expect(await statusOf("/metrics")).to.equal(401);
      expect(await statusOf("/metrics", "alice")).to.equal(200);
      expect(await statusOf("/metrics?x=1", "alice")).to.equal(200);
      expect(await statusOf("/metrics", "alice", "HEAD")).to.equal(200);
      expect(await statusOf("/metrics", "alice", "POST")).to.equal(405);
      expect(await statusOf("/metrics", undefined, "POST")).to.equal(401);
      // Another path: a repository that may be called so.
      expect(await statusOf("/metrics/", "alice")).to.equal(405);
    });

    it("only the user metrics, with private repositories", async () => {
      await serve({ metrics: { page, isPublic }, privateRepositories: true });
      expect(await statusOf("/metrics")).to.equal(401);
      expect(await statusOf("/metrics", "alice")).to.equal(401);
      expect(await statusOf("/metrics", "metrics")).to.equal(200);
    });

    it("everybody, if they are public", async () => {
      await serve({ metrics: { page, isPublic: true }, privateRepositories: true });
      expect(await statusOf("/metrics")).to.equal(200);
    });

    it("nobody without the option: an ordinary path that leads to nothing", async () => {
      served = await serveApp({ authenticator });
      expect(await statusOf("/metrics")).to.equal(401);
      expect(await statusOf("/metrics", "alice")).to.equal(404);
    });
  });

  it("of several processes are sums, but for those that the documentation names", async () => {
    const spaces = [
      { freeBytes: 3, totalBytes: 10 },
      { freeBytes: 2, totalBytes: 10 },
    ];
    const processes = spaces.map((space) => {
      const probe = { readiness: async () => undefined, space: async () => space };
      return new ServerMetrics(promClient, { log: () => undefined, probe, openConnections: () => 1 });
    });
    const gather = (): (() => Promise<ProcessMetrics[]>) => () =>
      Promise.all(processes.map(({ registry }) => registry.getMetricsAsJSON()));
    await serve({}, { gather });
    const { text } = await served.client.send("GET", "/metrics");
    expect(text).to.match(/^coffer_open_connections 2$/m);
    expect(text).to.match(/^coffer_storage_free_bytes 2$/m);
    expect(text).to.match(/^coffer_storage_used_bytes 8$/m);
    expect(text).to.not.include("process_start_time_seconds");
    const own = await processes[0]?.registry.getMetricsAsJSON();
    const exceptions = (own ?? []).filter(({ aggregator }) => aggregator !== "sum").map(({ name }) => name);
    const documentation = readFileSync(new URL("../../../docs/monitoring.md", import.meta.url), "utf8");
    for (const name of exceptions) {
      const documented = name.startsWith("nodejs_eventloop_lag_") ? "nodejs_eventloop_lag_*" : name;
      expect(documentation).to.include(`\`${documented}\``);
    }
  });

  it("are all in the documentation, and the dashboard knows no others", async () => {
    await serve(
      {},
      {
        probe: { readiness: async () => undefined, space: async () => ({ freeBytes: 3, totalBytes: 10 }) },
        openConnections: () => 1,
      },
    );
    const { text } = await served.client.send("GET", "/metrics");
    const names = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => name);
    const own = names.filter((name) => /^(?:rest_server|coffer)_/.test(name));
    expect(own).to.have.length(13);
    const documentation = readFileSync(new URL("../../../docs/monitoring.md", import.meta.url), "utf8");
    for (const name of own) expect(documentation).to.include(`\`${name}\``);
    const dashboard = readFileSync(new URL("../../../docs/grafana/coffer-server.json", import.meta.url), "utf8");
    const panels = (JSON.parse(dashboard) as { panels: { targets?: { expr: string }[] }[] }).panels;
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).to.be.at.least(12);
    for (const expression of expressions) {
      const used = expression.match(/\b(?:rest_server|coffer|process|nodejs)_\w+/g) ?? [];
      expect(used, expression).to.not.have.length(0);
      for (const name of used) expect(names).to.include(name.replace(/_(?:bucket|count|sum)$/, ""));
    }
    for (const counter of own.filter((name) => name.startsWith("rest_server_"))) {
      const rate = `sum(rate(${counter}{instance="$instance"}[15s])) by (`;
      expect(expressions.filter((expression) => expression.startsWith(rate))).to.not.have.length(0);
    }
  });
});
