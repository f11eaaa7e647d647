/** The application as a function of its dependencies: no port, no disk. */
import { spawnSync } from "node:child_process";
import { expect } from "chai";
import supertest from "supertest";
import { createApp } from "../../server/app.ts";
import { noAuthentication } from "../../server/auth/authenticator.ts";
import { MemoryRepositories } from "../../server/storage/memory.ts";
import type { Storage } from "../../server/storage/storage.ts";
import { CofferError, type ErrorCode, errorCodes } from "../../shared/errors.ts";
import { sha256 } from "../support/stored-files.ts";

describe("createApp", () => {
  it("gives an application that needs neither a port nor a disk", async () => {
    const app = createApp({ repositories: new MemoryRepositories(), authenticator: noAuthentication });
    await supertest(app).post("/r/?create=true").expect(200);
    await supertest(app)
      .post(`/r/data/${sha256("x")}`)
      .set("Content-Type", "application/octet-stream")
      .send("x")
      .expect(200);
    const list = await supertest(app).get("/r/data/").expect(200);
    expect(list.text).to.equal(JSON.stringify([sha256("x")]));
    const object = await supertest(app)
      .get(`/r/data/${sha256("x")}`)
      .responseType("arraybuffer")
      .expect(200);
    expect(Buffer.from(object.body as ArrayBuffer).toString()).to.equal("x");
  });

  it("asks the authenticator for every request, and answers 503 when it is too busy", async () => {
    let asked = 0;
    const authenticator = {
      authenticate: async () => {
        asked += 1;
        if (asked > 1) throw new CofferError("limit-exceeded", "too many");
        return undefined;
      },
    };
    const app = createApp({ repositories: new MemoryRepositories(), authenticator });
    await supertest(app).get("/config").expect(401);
    const reply = await supertest(app).get("/config").expect(503);
    expect(reply.headers["retry-after"]).to.equal("1");
  });

  const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
    malformed: 400,
    "hash-mismatch": 400,
    unauthorized: 401,
    forbidden: 403,
    "already-exists": 403,
    "not-found": 404,
    "request-timeout": 408,
    "out-of-range": 416,
    "limit-exceeded": 503,
    "out-of-space": 507,
  };

  for (const code of (Object.keys(errorCodes) as ErrorCode[]).filter((each) => each !== "cancelled")) {
    it(`answers ${code} with ${statuses[code] ?? 500}`, async () => {
      const logged: string[] = [];
      const fail = (): never => {
        throw new CofferError(code, "line one\nline two");
      };
      const failing: Storage = {
        create: async () => fail(),
        // biome-ignore lint/correctness/useYield: it fails before it has anything to give
        list: async function* () {
          fail();
        },
        stat: async () => fail(),
        read: async () => fail(),
        put: async () => fail(),
        remove: async () => fail(),
      };
      const app = createApp({
        repositories: { at: () => failing },
        authenticator: noAuthentication,
        log: (line) => logged.push(line),
      });
      const status = statuses[code] ?? 500;
      await supertest(app).post("/?create=true").expect(status);
      await supertest(app).get("/data/").expect(status);
      await supertest(app).head("/config").expect(status);
      await supertest(app).get("/config").expect(status);
      await supertest(app).delete("/config").expect(status);
      await supertest(app)
        .post(`/data/${sha256("x")}`)
        .send("x")
        .expect(status);
      expect(logged).to.have.length(status >= 500 ? 6 : 0);
      for (const line of logged) expect(line).to.include("line one line two").and.not.include("\n");
    });
  }

  it("answers 500 for what nobody expected, and says where it happened", async () => {
    const logged: string[] = [];
    const repositories = {
      at: () => {
        throw new TypeError("a mistake");
      },
    };
    const app = createApp({ repositories, authenticator: noAuthentication, log: (line) => logged.push(line) });
    const reply = await supertest(app).get("/r/config").expect(500);
    expect(reply.text).to.equal("Internal Server Error\n");
    expect(logged).to.have.length(1);
    expect(logged[0]).to.match(/^GET "\/r\/config": TypeError: a mistake at .*app\.test\.ts/);
  });

  it("cuts the connection when a list cannot be finished, so that nobody takes it for whole", async () => {
    const repositories = new MemoryRepositories();
    const breaking = (storage: Storage): Storage => ({
      create: () => storage.create(),
      list: async function* () {
        yield [{ id: sha256("x"), sizeBytes: 1 }];
        throw new CofferError("unavailable", "disk gone");
      },
      stat: (handle) => storage.stat(handle),
      read: (handle, selection) => storage.read(handle, selection),
      put: (handle, body) => storage.put(handle, body),
      remove: (handle) => storage.remove(handle),
    });
    const app = createApp({
      repositories: { at: (folders) => breaking(repositories.at(folders)) },
      authenticator: noAuthentication,
    });
    const failure = await supertest(app)
      .get("/data/")
      .then(
        () => undefined,
        (error: Error) => error,
      );
    expect(failure?.message).to.match(/aborted|hang up/);
  });

  it("opens nothing when it is imported", () => {
    const url = new URL("../../server/app.ts", import.meta.url).href;
    const script = `await import(${JSON.stringify(url)}); console.log(process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|Immediate/.test(name)).join());`;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
    });
    expect(stdout.trim()).to.equal("");
    expect(status).to.equal(0);
  });
});
