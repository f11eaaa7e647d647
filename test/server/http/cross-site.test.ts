/** Pages of other sites reach nothing. */
import { expect } from "chai";
import supertest, { type Response } from "supertest";
import { createApp } from "../../../server/app.ts";
import { noAuthentication } from "../../../server/auth/authenticator.ts";
import { parseAllowedOrigins } from "../../../server/http/cross-site.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { hasErrorCode } from "../../../shared/errors.ts";
import { sha256 } from "../../support/stored-files.ts";

const friend = "https://friend.example";
const id = sha256("x");

describe("requests from pages of other sites", () => {
  function appWith(...origins: string[]): ReturnType<typeof createApp> {
    return createApp({
      repositories: new MemoryRepositories(),
      authenticator: noAuthentication,
      ...(origins.length === 0 ? {} : { allowedOrigins: parseAllowedOrigins(origins.join(",")) }),
    });
  }

  function expectNoCors(reply: Response): void {
    const names = Object.keys(reply.headers).filter((name) => name.startsWith("access-control-"));
    expect(names).to.deep.equal([]);
  }

  const foreign = [
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
    { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" },
    { "Sec-Fetch-Site": "something new" },
    { Origin: "https://evil.example" },
    { Origin: "null" },
    { Origin: "http://server.example:8001", Host: "server.example:8000" },
    { Origin: `${friend}.evil.example` },
  ];

  for (const headers of foreign) {
    it(`with ${JSON.stringify(headers)} neither change nor read anything`, async () => {
      for (const app of [appWith(), appWith(friend)]) {
        await supertest(app).post("/r/?create=true").expect(200);
        await supertest(app).post(`/r/data/${id}`).send("x").expect(200);
        const requests = [
          () => supertest(app).get("/r/data/"),
          () => supertest(app).get(`/r/data/${id}`),
          () => supertest(app).head(`/r/data/${id}`),
          () => supertest(app).delete(`/r/data/${id}`),
          () => supertest(app).post("/other/?create=true"),
          () => supertest(app).post("/r/config").send("x"),
          () => supertest(app).options("/r/config").set("Access-Control-Request-Method", "POST"),
          () => supertest(app).get("/-/capabilities"),
          () => supertest(app).get("/-/health/live"),
          () => supertest(app).get("//r/config"),
        ];
        for (const send of requests) {
          const reply = await send().set(headers);
          expect(reply.status).to.equal(403);
          expectNoCors(reply);
        }
        const list = await supertest(app).get("/r/data/").expect(200);
        expect(list.text).to.equal(JSON.stringify([id]));
        await supertest(app).get("/other/data/").expect(404);
        await supertest(app).get("/r/config").expect(404);
      }
    });
  }

  for (const headers of [
    {},
    { "Sec-Fetch-Site": "same-origin", Origin: "https://server.example", Host: "inner.example" },
    { "Sec-Fetch-Site": "none" },
    { Origin: "https://server.example", Host: "server.example" },
    { Origin: "http://server.example:8000", Host: "Server.example:8000" },
    { "User-Agent": "Go-http-client/1.1", Referer: "https://evil.example/" },
  ]) {
    it(`are not those with ${JSON.stringify(headers)}`, async () => {
      const reply = await supertest(appWith()).post("/r/?create=true").set(headers).expect(200);
      expectNoCors(reply);
    });
  }

  describe("of an allowed origin", () => {
    const app = appWith("https://another.example:8443", friend);
    const headers = { Origin: friend, "Sec-Fetch-Site": "cross-site" };

    it("are answered, with what CORS needs, errors included", async () => {
      for (const [path, status] of [
        ["/r/data/", 404],
        ["/-/capabilities", 200],
        ["//r/", 307],
      ] as const) {
        const reply = await supertest(app).get(path).set(headers).expect(status);
        expect(reply.headers["access-control-allow-origin"]).to.equal(friend);
        expect(reply.headers["access-control-expose-headers"]).to.include("Content-Range");
        expect(reply.headers["vary"]).to.equal("Origin");
        expect(reply.headers).to.not.have.property("access-control-allow-credentials");
      }
    });

    it("may ask first, and nothing happens then", async () => {
      const reply = await supertest(app)
        .options("/r/?create=true")
        .set({ ...headers, "Access-Control-Request-Method": "POST" })
        .expect(204);
      expect(reply.headers).to.include({
        "access-control-allow-origin": friend,
        "access-control-allow-methods": "GET, HEAD, POST, DELETE",
        "access-control-allow-headers": "Authorization, Accept, Content-Type, Range",
      });
      await supertest(app).get("/r/data/").expect(404);
    });

    it("do not let a cache mix up what different origins get", async () => {
      await supertest(app).post("/r/?create=true").set(headers).expect(200);
      const reply = await supertest(app).get("/r/data/").expect(200);
      expect(reply.headers["vary"]).to.equal("Origin, Accept");
      expectNoCors(reply);
    });
  });

  for (const text of [
    "*",
    "null",
    "",
    "friend.example",
    "https://friend.example/",
    "https://Friend.example",
    "ftp://friend.example",
    "https://friend.example:443",
    `${friend},*`,
  ]) {
    it(`cannot be allowed by ${JSON.stringify(text)}`, () => {
      expect(() => parseAllowedOrigins(text))
        .to.throw()
        .that.satisfies((error: Error) => hasErrorCode(error, "usage"));
    });
  }
});
