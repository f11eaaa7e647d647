/** Whatever somebody sends as a batch: the server answers or hangs up, stores nothing false, and keeps nothing back. */
import { readdirSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import { readParts } from "../../../server/http/multipart.ts";
import { batchLimits } from "../../../server/routes/batch.ts";
import { BatchParts } from "../../../server/routes/batch-parts.ts";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { hasErrorCode } from "../../../shared/errors.ts";
import { fileTypes } from "../../../shared/format/layout.ts";
import type { PartResult } from "../../../shared/rest/batch.ts";
import { boundary, encodeForm, type FormPart, formType, objectPart } from "../../support/multipart.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { sha256 } from "../../support/stored-files.ts";
import { unfinishedUploads } from "../../support/unfinished-uploads.ts";

const path = "/r/-/batch";

const oddNames = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "hasOwnProperty", "toString", "config", "data", "data/", "/", "[]", "-"),
  fc.constantFrom("data/__proto__", "__proto__/x", "a[__proto__][x]", "a[b]", "x[99999999999]", "../x", "\0", "\u00e9"),
  fc.string({ unit: fc.constantFrom(..."ab/.[]_0"), minLength: 1, maxLength: 20 }),
  fc.constantFrom(`data/${sha256("a")}x`, `data//${sha256("a")}`, `DATA/${sha256("a")}`, `data/${"g".repeat(64)}`),
);

const contents = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom("", "\r\n", "--", `\r\n--${boundary.slice(0, -1)}`, `--${boundary}`, "\r\n\r\n--", "\r"),
  fc.integer({ min: 0, max: 400_000 }).map((size) => new Uint8Array(size)),
);

const types = fc.constantFrom(...fileTypes);
const goodParts = fc.tuple(contents, types).map(([content, type]) => objectPart(content, type));
const falseParts = fc
  .tuple(contents, types)
  .map(([content, type]) => ({ name: `${type}/${sha256("other")}`, content }));
const oddParts = fc.record({ name: oddNames, content: contents });
const parts = fc.array(fc.oneof(goodParts, falseParts, oddParts), { maxLength: 12 });

/** Pieces that a form is made of, in any order. */
const pieces = fc.oneof(
  fc.constantFrom(`--${boundary}`, `\r\n--${boundary}`, `\r\n--${boundary}\r\n`, `--${boundary}--\r\n`),
  fc.constantFrom("\r\n", "\r\n\r\n", "--", "content-disposition:"),
  fc.constantFrom('Content-Disposition: form-data; name="x"; filename="y"', "Content-Disposition: form-data"),
  fc.constantFrom(
    "Content-Type: application/octet-stream",
    "Content-Type: multipart/mixed; boundary=x",
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: form-data; name="a[__proto__]"',
    "Content-Disposition: form-data; name*=utf-8''%e2; filename*=x''",
  ),
  fc.uint8Array({ maxLength: 40 }),
  goodParts.map((part) => encodeForm([part])),
);

const contentTypes = fc.oneof(
  { weight: 6, arbitrary: fc.constant(formType) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "multipart/form-data",
      'multipart/form-data; boundary=""',
      `multipart/form-data; boundary=${"x".repeat(9000)}`,
      "multipart/form-data; boundary=\\",
      "multipart/form-data; boundary*=utf-8''x",
      "multipart/form-data;;;=",
      "multipart/;",
      "application/x-www-form-urlencoded",
    ),
  },
);

describe("a server that gets hostile batches", function () {
  this.timeout(120_000);
  let app: ServedApp;

  before(async () => {
    app = await serveApp();
    await app.client.send("POST", "/r/?create=true");
    await app.client.send("POST", `/r/data/${sha256("first")}`, { body: "first" });
  });

  after(async () => {
    await app.stop();
  });

  afterEach(async () => {
    while (unfinishedUploads(app.dataPath).length > 0 || openFiles() > 0) await sleep(5);
    let found = 0;
    for (const type of fileTypes) {
      for (const id of JSON.parse((await app.client.send("GET", `/r/${type}/`)).text) as string[]) {
        expect(sha256((await app.client.send("GET", `/r/${type}/${id}`)).body)).to.equal(id);
        found += 1;
      }
    }
    expect(found).to.be.at.least(1);
    expect(app.logged).to.deep.equal([]);
    expect(({} as Record<string, unknown>)["x"]).to.equal(undefined);
  });

  function openFiles(): number {
    return readdirSync("/proc/self/fd").filter((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(app.dataPath);
      } catch {
        return false;
      }
    }).length;
  }

  function headOf(contentType: string, lengthBytes: number): string {
    const lines = [`POST ${path} HTTP/1.1`, "Host: x", `Content-Type: ${contentType}`];
    return `${lines.join("\r\n")}\r\nContent-Length: ${lengthBytes}\r\n\r\n`;
  }

  /**
   * One answer, whole, or what there is of it when the connection ends. The connection is kept until then: a server that ends it while
   * bytes are on their way to it takes its answer back.
   */
  function collectAnswer(socket: Socket): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      socket.setEncoding("latin1");
      socket.on("data", (piece: string) => {
        text += piece;
        const headEnd = text.indexOf("\r\n\r\n") + 4;
        const lengthBytes = Number(/^content-length: (\d+)\r$/im.exec(text.slice(0, headEnd))?.[1] ?? Number.NaN);
        if (headEnd > 3 && text.length >= headEnd + lengthBytes) socket.destroy();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
  }

  /** Sends a request in pieces. Ends the connection only when the body is not whole. */
  async function sendRaw(
    contentType: string,
    body: Uint8Array,
    lengthBytes: number,
    cuts: readonly number[],
  ): Promise<string> {
    const socket = connect({ port: app.port, host: "127.0.0.1", noDelay: true });
    const text = collectAnswer(socket);
    socket.write(headOf(contentType, lengthBytes), "latin1");
    let last = 0;
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      socket.write(body.subarray(last, cut));
      last = Math.min(cut, body.length);
      await sleep(0);
    }
    socket.write(body.subarray(last));
    if (body.length < lengthBytes) socket.end();
    return text;
  }

  it("answers for every part, whatever its name and content", async () => {
    await fc.assert(
      fc.asyncProperty(parts, fc.array(fc.nat(2_000_000), { maxLength: 4 }), async (sent, cuts) => {
        // A content that has the boundary in it is two parts; nothing can tell.
        const named = sent.filter((part) => /^[\x20-\x7e]+$/.test(part.name ?? "") && !hasBoundary(part));
        const body = encodeForm(named);
        const answer = await sendRaw(formType, body, body.length, cuts);
        expect(answer).to.match(/^HTTP\/1\.1 200 /);
        const { results } = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as { results: PartResult[] };
        expect(results.map(({ name }) => name)).to.deep.equal(named.map(({ name }) => name));
        for (const [i, { name, content }] of named.entries()) {
          const isGood = fileTypes.some((type) => name === `${type}/${sha256(content)}`);
          expect(results[i]?.status, name).to.equal(isGood ? 200 : 400);
        }
      }),
      { numRuns: 120 },
    );
  });

  it("outlives forms that are none", async () => {
    const forms = fc
      .array(pieces, { maxLength: 14 })
      .map((list) => Buffer.concat(list.map((piece) => Buffer.from(piece))));
    await fc.assert(
      fc.asyncProperty(contentTypes, forms, fc.array(fc.nat(2000), { maxLength: 3 }), async (type, body, cuts) => {
        expect(await sendRaw(type, body, body.length, cuts)).to.match(/^HTTP\/1\.1 (?:200|400|413) /);
      }),
      { numRuns: 300 },
    );
  });

  it("outlives forms that are cut or damaged anywhere", async () => {
    const body = encodeForm([
      objectPart("one"),
      objectPart(new Uint8Array(300_000)),
      objectPart("two", "index"),
      objectPart(""),
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.boolean(), fc.nat(255), async (position, isCut, value) => {
        const damaged = Buffer.from(body);
        damaged[position] = value;
        const sent = isCut ? body.subarray(0, position) : damaged;
        const answer = await sendRaw(formType, sent, body.length, []);
        expect(answer).to.match(isCut ? /^(?:HTTP\/1\.1 4\d\d |$)/ : /^HTTP\/1\.1 (?:200|400|413) /);
      }),
      { numRuns: 200 },
    );
  });

  it("outlives clients that leave in the middle", async () => {
    const body = encodeForm(Array.from({ length: 300 }, (_, i) => objectPart(`${i}`.repeat(1 + i * 10))));
    const leaving = Array.from({ length: 40 }, async (_, i) => {
      const socket = connect(app.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(headOf(formType, body.length));
      socket.write(body.subarray(0, Math.floor((body.length * i) / 40)));
      await sleep(i % 7);
      if (i % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
      await new Promise((resolve) => socket.once("close", resolve));
    });
    await Promise.all(leaving);
  });
});

function hasBoundary({ content }: FormPart): boolean {
  return `\r\n${Buffer.from(content).toString("latin1")}\r\n`.includes(`\r\n--${boundary}`);
}

describe("a batch without an end", () => {
  const separator = `--${boundary}\r\n`;
  const disposition = `Content-Disposition: form-data; name="data/${sha256("x")}"; filename="x"\r\n`;
  const part = `${separator}${disposition}\r\n`;
  const field = `${separator}Content-Disposition: form-data; name="a[a][a]"\r\n\r\nx\r\n`;
  const much = "x".repeat(65_536);
  const endless: Readonly<Record<string, { first?: string; rest: string; code: "limit-exceeded" | "malformed" }>> = {
    parts: { rest: `${part}x\r\n`.repeat(300), code: "limit-exceeded" },
    "parts without a name": { rest: `${separator}A: b\r\n\r\nx\r\n`.repeat(1000), code: "limit-exceeded" },
    fields: { rest: field.repeat(300), code: "malformed" },
    headers: { first: separator, rest: "A: b\r\n".repeat(10_000), code: "malformed" },
    "a header": { first: separator, rest: much, code: "malformed" },
    "a part": { first: part, rest: much, code: "limit-exceeded" },
    "a part of line ends": { first: part, rest: "\r\n--".repeat(16_000), code: "limit-exceeded" },
    "a preamble": { rest: much, code: "limit-exceeded" },
    "an epilogue": { first: `${part}x\r\n--${boundary}--`, rest: much, code: "limit-exceeded" },
  };

  for (const [name, { first = "", rest, code }] of Object.entries(endless)) {
    it(`ends at the limits: ${name}`, async () => {
      let takenBytes = 0;
      async function* content(): AsyncGenerator<Uint8Array> {
        for (let text = first; ; text = rest) {
          takenBytes += text.length;
          yield Buffer.from(text);
        }
      }
      const storage = new MemoryRepositories().at([]);
      const receiver = new BatchParts({ storage, limits: batchLimits, reportFailure: expect.fail });
      const headers = { "content-type": formType, "transfer-encoding": "chunked" };
      const failure = await readParts({ headers, content: content() }, batchLimits, receiver).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(hasErrorCode(failure, code), String(failure)).to.equal(true);
      expect(takenBytes).to.be.at.most(batchLimits.totalBytes + rest.length);
      expect(receiver.results.length).to.be.at.most(batchLimits.parts + 1);
    });
  }
});
