/** The OpenAPI document against the server: every path and method, every status, every content type, and nothing that is not in it. */
import { expect } from "chai";
import promClient from "prom-client";
import supertest, { type Response } from "supertest";
import { type AppDependencies, createApp } from "../../../server/app.ts";
import type { Authenticator } from "../../../server/auth/authenticator.ts";
import { ServerMetrics } from "../../../server/metrics/server-metrics.ts";
import { openApiDocument } from "../../../server/openapi/document.ts";
import type { OpenApiOperation } from "../../../server/openapi/operation.ts";
import { Readiness } from "../../../server/pages/readiness.ts";
import { serverPages } from "../../../server/pages/server-pages.ts";
import { fixedPolicy, policyOfFlags } from "../../../server/policy/flags-policy.ts";
import { routes } from "../../../server/routes/dispatch.ts";
import { assembleStorage } from "../../../server/storage/assemble.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import type { Storage } from "../../../server/storage/storage.ts";
import { StorageWrapper } from "../../../server/storage/wrapper.ts";
import { CofferError, type ErrorCode } from "../../../shared/errors.ts";
import { batchPath } from "../../../shared/rest/batch.ts";
import { listMediaTypes } from "../../../shared/rest/media-types.ts";
import { sha256 } from "../../support/stored-files.ts";

const document = openApiDocument();
const methods = ["get", "head", "post", "delete", "put", "patch", "options"] as const;
type Method = (typeof methods)[number];

const content = "content of an object";

/** Who the server is, and what was asked for before. */
interface Scenario {
  readonly app?: Partial<AppDependencies>;
  readonly appendOnly?: boolean;
  /** A repository. */
  readonly isCreated?: boolean;
  /** A repository, and the file in it that the path names. */
  readonly isStored?: boolean;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isAnonymous?: boolean;
  /** What a batch of objects consists of; for everything else like no scenario at all. */
  readonly form?: () => Buffer;
}

const boundary = "of-the-form";

/** A form with one object, and what follows it. */
function formWith(rest: Buffer): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="data/${sha256(content)}"; filename="x"\r\n\r\n`;
  return Buffer.concat([Buffer.from(`${head}${content}\r\n`), rest, Buffer.from(`--${boundary}--\r\n`)]);
}

const authenticator: Authenticator = {
  authenticate: async ({ authorization }) => (authorization === undefined ? undefined : "alice"),
};

async function fail(code: ErrorCode): Promise<never> {
  throw new CofferError(code, "told to");
}

/** Nothing works. */
function failing(): Partial<AppDependencies> {
  const failNow = (): Promise<never> => fail("unavailable");
  const storage: Storage = {
    create: failNow,
    // biome-ignore lint/correctness/useYield: it fails before it has anything to give
    list: async function* () {
      await failNow();
    },
    stat: failNow,
    read: failNow,
    put: failNow,
    remove: failNow,
  };
  return { repositories: { at: () => storage }, ...metricsOf(failNow) };
}

/** Nothing can be written. */
function full(): Partial<AppDependencies> {
  class FullStorage extends StorageWrapper {
    override create(): Promise<void> {
      return fail("out-of-space");
    }
    override put(): Promise<void> {
      return fail("out-of-space");
    }
  }
  const inner = new MemoryRepositories();
  return { repositories: { at: (folders) => new FullStorage(inner.at(folders)) } };
}

function metricsOf(page: NonNullable<AppDependencies["metrics"]>["page"]): Partial<AppDependencies> {
  return { metrics: { page, isPublic: false } };
}

const throttling: Partial<AppDependencies> = {
  loginThrottle: {
    admit: async () => ({ isAdmitted: false, retryAfterMs: 1_000 }),
    settle: async () => undefined,
  },
};

const busy: Partial<AppDependencies> = {
  authenticator: {
    authenticate: async () => {
      throw new CofferError("limit-exceeded", "too many");
    },
  },
};

function withReadiness(failure?: string): Partial<AppDependencies> {
  const probe = {
    readiness: async () => {
      if (failure !== undefined) throw new Error(failure);
    },
  };
  return { pages: { readiness: new Readiness({ probe, minimumFreeBytes: 0, log: () => undefined }) } };
}

const scenarios: readonly Scenario[] = [
  {},
  { isAnonymous: true },
  { query: "?create=true" },
  { isCreated: true },
  { isStored: true },
  { isStored: true, query: "?create=true" },
  { isStored: true, body: "other content" },
  { body: "other content" },
  { isStored: true, headers: { Range: "bytes=1-2" } },
  { isStored: true, headers: { Range: "bytes=1-2,4-5" } },
  { isStored: true, headers: { Range: "bytes=1000-" } },
  { isStored: true, headers: { Range: "nonsense" } },
  { isStored: true, headers: { "If-None-Match": "*" } },
  { isStored: true, headers: { "If-Match": '"x"' } },
  { isStored: true, headers: { Accept: listMediaTypes[2] } },
  { isStored: true, appendOnly: true },
  { app: failing(), query: "?create=true" },
  { app: full(), query: "?create=true" },
  { app: throttling },
  { app: busy },
  { form: () => formWith(Buffer.alloc(0)) },
  { form: () => formWith(Buffer.alloc(17 << 20)) },
  { app: withReadiness() },
  { app: withReadiness("told to") },
];

function appFor({ app = {}, appendOnly = false }: Scenario): ReturnType<typeof createApp> {
  const metrics = new ServerMetrics(promClient, { log: () => undefined });
  return createApp({
    repositories: assembleStorage(new MemoryRepositories(), {}),
    authenticator,
    policy: fixedPolicy(policyOfFlags({ appendOnly, privateRepositories: false })),
    ...metricsOf(() => metrics.page()),
    ...app,
  });
}

const id = sha256(content);

function concrete(path: string): string {
  const values: Record<string, string> = { folder: "alice", subfolder: "laptop", type: "data", id };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? `no value for ${name}`);
}

async function ask(path: string, method: Method, scenario: Scenario): Promise<Response> {
  const app = appFor(scenario);
  const target = concrete(path);
  const repository = /^(.*?\/)(?:config|data\/.*)?$/.exec(target)?.[1] ?? "/";
  if (scenario.isCreated === true || scenario.isStored === true) {
    await supertest(app).post(`${repository}?create=true`).auth("alice", "x").expect(200);
  }
  if (scenario.isStored === true) {
    const file = target.endsWith("/config") ? target : `${repository}data/${id}`;
    await supertest(app).post(file).auth("alice", "x").send(content).expect(200);
  }
  const request = supertest(app)[method](target + (scenario.query ?? ""));
  if (scenario.isAnonymous !== true) void request.auth("alice", "x");
  void request
    .set(scenario.headers ?? {})
    .buffer(true)
    .parse(keepText);
  if (target.endsWith(batchPath) && scenario.form !== undefined) {
    void request.set("Content-Type", `multipart/form-data; boundary=${boundary}`).send(scenario.form());
  } else if (method === "post" && target !== repository) void request.send(scenario.body ?? content);
  return request;
}

/** Whatever the content type, nothing is parsed. */
function keepText(incoming: Response, done: (error: Error | null, body: string) => void): void {
  let text = "";
  const stream = incoming as unknown as NodeJS.ReadableStream;
  stream.on("data", (piece: Buffer) => {
    text += piece.toString("latin1");
  });
  stream.on("end", () => done(null, text));
}

/** How the document names what came. */
function documentedType(reply: Response): string | undefined {
  const type = reply.headers["content-type"] as string | undefined;
  return type?.startsWith("multipart/") ? type.split(";")[0] : type;
}

function operationsOf(path: string): [Method, OpenApiOperation][] {
  const operations: [Method, OpenApiOperation][] = [];
  for (const [name, operation] of Object.entries(document.paths[path] ?? {})) {
    if (name !== "parameters") operations.push([name as Method, operation as OpenApiOperation]);
  }
  return operations;
}

describe("OpenAPI document", () => {
  for (const path of Object.keys(document.paths)) {
    for (const [method, operation] of operationsOf(path)) {
      it(`${method} ${path}: the server answers as documented, and all that is documented`, async () => {
        const seen = new Map<string, Set<string>>();
        for (const scenario of scenarios) {
          const reply = await ask(path, method, scenario);
          const status = String(reply.status);
          const described = `${JSON.stringify(scenario)} gives ${status}`;
          expect(Object.keys(operation.responses), described).to.include(status);
          const types = seen.get(status) ?? new Set();
          seen.set(status, types);
          const type = documentedType(reply);
          const documented = Object.keys(operation.responses[status]?.content ?? {});
          if (method === "head") continue;
          if (type === undefined) expect(documented, described).to.deep.equal([]);
          else expect(documented, described).to.include(type);
          if (type !== undefined) types.add(type);
          if (type === "application/json") JSON.parse(reply.body as string);
        }
        expect(Array.from(seen.keys()).sort()).to.deep.equal(Object.keys(operation.responses).sort());
        if (method === "head") return;
        for (const [status, types] of seen) {
          const documented = Object.keys(operation.responses[status]?.content ?? {});
          expect(Array.from(types).sort(), status).to.deep.equal(documented.sort());
        }
      });
    }

    it(`${path}: has no other methods`, async () => {
      const documented = operationsOf(path).map(([method]) => method.toUpperCase());
      for (const method of methods) {
        if (documented.includes(method.toUpperCase())) continue;
        const reply = await ask(path, method, {});
        expect(reply.status, method).to.equal(405);
        expect((reply.headers["allow"] as string).split(", ").sort()).to.deep.equal(documented.sort());
      }
    });
  }

  it("has every route of repositories, at every depth, and every page", () => {
    const paths = {
      repository: "/",
      config: "/config",
      list: "/{type}/",
      object: "/{type}/{id}",
      batch: `/${batchPath}`,
    } as const;
    for (const prefix of ["", "/{folder}", "/{folder}/{subfolder}"]) {
      for (const kind of Object.keys(routes) as (keyof typeof routes)[]) {
        const documented = operationsOf(prefix + paths[kind]).map(([method]) => method.toUpperCase());
        expect(documented.sort(), prefix + paths[kind]).to.deep.equal(Object.keys(routes[kind].methods).sort());
      }
    }
    expect(Object.keys(document.paths)).to.include.members(Array.from(serverPages({}).keys()));
  });

  it("is whole: every reference leads somewhere, every parameter of a path is declared, every operation has a name", () => {
    const text = JSON.stringify(document);
    for (const [, pointer = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      let value: unknown = document;
      for (const part of pointer.split("/")) value = (value as Record<string, unknown>)[part];
      expect(value, pointer).to.be.an("object");
    }
    const names: string[] = [];
    for (const [path, { parameters = [] }] of Object.entries(document.paths)) {
      const declared = (parameters as { name: string; in: string }[]).map(({ name }) => name);
      expect(declared.sort()).to.deep.equal(Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name).sort());
      names.push(...operationsOf(path).map(([, { operationId }]) => operationId));
    }
    expect(new Set(names).size).to.equal(names.length);
  });
});
