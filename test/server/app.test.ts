/** The application without a socket and without a disk: supertest drives what createApp makes of a memory storage. */
import { createHash } from "node:crypto";
import { expect } from "chai";
import type { Express } from "express";
import request from "supertest";
import { createApp } from "../../server/app.ts";
import type { Authenticator } from "../../server/auth/authenticator.ts";
import { MemoryRepositories } from "../../server/storage/memory.ts";

const content = Buffer.from("a stored object");
const id = createHash("sha256").update(content).digest("hex");
const mediaTypeV2 = "application/vnd.x.restic.rest.v2";

const everybody: Authenticator = { authenticate: async () => "" };
const nobody: Authenticator = { authenticate: async () => undefined };

function appFor(authenticator: Authenticator = everybody): Express {
  return createApp({ repositories: new MemoryRepositories(), authenticator });
}

describe("createApp, driven without a socket", () => {
  let app: Express;

  beforeEach(async () => {
    app = appFor();
    await request(app).post("/repository/?create=true").expect(200);
    await request(app).post(`/repository/data/${id}`).send(content).expect(200);
  });

  it("serves what was uploaded, whole and in part", async () => {
    const whole = await request(app).get(`/repository/data/${id}`).expect(200);
    expect(whole.body).to.deep.equal(content);
    const part = await request(app).get(`/repository/data/${id}`).set("Range", "bytes=2-7").expect(206);
    expect(part.body).to.deep.equal(content.subarray(2, 8));
    expect(part.headers["content-range"]).to.equal(`bytes 2-7/${content.length}`);
    await request(app).get(`/repository/data/${id}`).set("Range", `bytes=${content.length}-`).expect(416);
  });

  it("tells the size without sending the object", async () => {
    const answer = await request(app).head(`/repository/data/${id}`).expect(200);
    expect(answer.headers["content-length"]).to.equal(String(content.length));
  });

  it("lists in both versions of the protocol", async () => {
    const names = await request(app).get("/repository/data/").buffer().parse(asText).expect(200);
    expect(names.body).to.equal(`["${id}"]`);
    const sizes = await request(app)
      .get("/repository/data/")
      .set("Accept", mediaTypeV2)
      .buffer()
      .parse(asText)
      .expect(200);
    expect(sizes.body).to.equal(`[{"name":"${id}","size":${content.length}}]`);
    expect(sizes.headers["content-type"]).to.equal(mediaTypeV2);
  });

  it("deletes, and says that what is gone is not found", async () => {
    await request(app).delete(`/repository/data/${id}`).expect(200);
    await request(app).get(`/repository/data/${id}`).expect(404);
    await request(app).delete(`/repository/data/${id}`).expect(200);
  });

  it("says what methods a resource has", async () => {
    const answer = await request(app).put(`/repository/data/${id}`).expect(405);
    expect(answer.headers["allow"]).to.equal("HEAD, GET, POST, DELETE");
  });

  it("lets nobody in whom the authenticator does not know", async () => {
    await request(appFor(nobody)).get("/repository/config").expect(401);
  });
});

function asText(response: request.Response, done: (error: Error | null, body: string) => void): void {
  const stream = response as unknown as NodeJS.ReadableStream;
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (piece: string) => {
    text += piece;
  });
  stream.on("end", () => done(null, text));
}
