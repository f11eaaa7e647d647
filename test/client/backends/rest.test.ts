import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { expect } from "chai";
import { RestBackend } from "../../../client/backends/rest.ts";
import { UndiciTransport } from "../../../client/platform/undici-transport.ts";
import type { ErrorCode } from "../../../shared/errors.ts";
import { listMediaTypes } from "../../../shared/rest/media-types.ts";
import { expectCode, handleOf } from "../../conformance/backend.ts";
import { end, type Intercept, SimpleServer } from "./simple-server.ts";

/** A bare REST backend, without any wrapper, on a server that behaves as the test wants. */
async function withServer(
  intercept: Intercept | undefined,
  use: (backend: RestBackend, server: SimpleServer, transport: UndiciTransport) => Promise<void>,
): Promise<void> {
  const server = await SimpleServer.start(intercept === undefined ? {} : { intercept });
  const transport = new UndiciTransport({ origin: `http://127.0.0.1:${server.port}`, connections: 5 });
  const headers = { authorization: "Basic dTpw", "user-agent": "coffer-test" };
  const location = "rest:http://u:***@test/r/";
  const backend = new RestBackend({ transport, location, basePath: "/r/", headers, connections: 5 });
  try {
    await use(backend, server, transport);
  } finally {
    await backend.close();
    await server.stop();
  }
}

function answer(response: ServerResponse, status: number, headers: Record<string, string>, text = ""): true {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  response.setHeader("content-length", Buffer.byteLength(text));
  response.end(text);
  return true;
}

describe("RestBackend", () => {
  const content = randomBytes(300);
  const handle = handleOf(content);
  const ids = ["a", "b", "c"].map((digit) => digit.repeat(64));

  it("sends the requests of the protocol", async () => {
    const seen: Record<string, Record<string, unknown>> = {};
    const intercept: Intercept = (request) => {
      seen[`${request.method} ${request.url}`] = request.headers;
      return undefined;
    };
    await withServer(intercept, async (backend) => {
      await backend.create();
      await backend.save(handle, content);
      await backend.load(handle);
      await backend.load(handle, { range: { offsetBytes: 5, lengthBytes: 10 } });
      await backend.stat(handle);
      await backend.list("snapshots");
      await backend.remove(handle);
    });
    const path = `/r/data/${handle.id}`;
    expect(Object.keys(seen)).to.deep.equal([
      "POST /r/?create=true",
      `POST ${path}`,
      `GET ${path}`,
      `HEAD ${path}`,
      "GET /r/snapshots/",
      `DELETE ${path}`,
    ]);
    for (const headers of Object.values(seen)) {
      expect(headers).to.include({ authorization: "Basic dTpw", "user-agent": "coffer-test" });
      expect(headers["accept"]).to.equal(listMediaTypes[2]);
      expect(headers["accept-encoding"], "no compressed answers are wanted").to.equal(undefined);
    }
    const post = { "content-type": "application/octet-stream", "content-length": "300" };
    expect(seen[`POST ${path}`]).to.include(post).and.not.have.property("transfer-encoding");
    expect(seen["POST /r/?create=true"]).to.include({ "content-length": "0" });
    expect(seen[`GET ${path}`]).to.include({ range: "bytes=5-14" });
  });

  describe("statuses", () => {
    const cases: [number, ErrorCode][] = [
      [301, "unsupported"],
      [307, "unsupported"],
      [400, "hash-mismatch"],
      [401, "unauthorized"],
      [403, "forbidden"],
      [404, "not-found"],
      [405, "unsupported"],
      [408, "unavailable"],
      [409, "unavailable"],
      [413, "forbidden"],
      [429, "unavailable"],
      [500, "unavailable"],
      [501, "unsupported"],
      [502, "unavailable"],
      [503, "unavailable"],
      [504, "unavailable"],
      [507, "out-of-space"],
    ];
    for (const [status, code] of cases) {
      it(`${status} is ${code}`, async () => {
        const intercept: Intercept = (_, response) =>
          answer(response, status, { "content-type": "text/plain" }, "why\nmore");
        await withServer(intercept, async (backend) => {
          const error = await expectCode(code, backend.load(handle));
          if (status !== 404) expect(error.message).to.include(`HTTP status ${status}: why`).and.not.include("more");
          await expectCode(code, backend.stat(handle));
          await expectCode(code, backend.save(handle, content));
          if (status !== 404) await expectCode(code, backend.remove(handle));
          if (status !== 404) await expectCode(code, backend.list("data"));
          await expectCode(code, backend.create());
        });
      });
    }

    it("hands on what the server says about trying again", async () => {
      const intercept: Intercept = (_, response) => answer(response, 503, { "retry-after": "7" });
      await withServer(intercept, async (backend) => {
        const error = await expectCode("unavailable", backend.stat(handle));
        expect(error.data).to.deep.equal({ status: 503, retryAfterMs: 7000 });
      });
    });

    it("does not show control characters of an answer", async () => {
      const intercept: Intercept = (_, response) =>
        answer(response, 500, { "content-type": "text/plain" }, "a\u001b[31mb");
      await withServer(intercept, async (backend) => {
        const error = await expectCode("unavailable", backend.load(handle));
        expect(error.message).to.include("a?[31mb");
      });
    });

    it("names the place to which a server redirects", async () => {
      const intercept: Intercept = (_, response) => answer(response, 301, { location: "http://elsewhere/r/" });
      await withServer(intercept, async (backend) => {
        const error = await expectCode("unsupported", backend.stat(handle));
        expect(error.message).to.include("http://elsewhere/r/");
      });
    });
  });

  it("tells a file that exists from a server that refuses", async () => {
    await withServer(undefined, async (backend, server) => {
      await backend.save(handle, content);
      await expectCode("already-exists", backend.save(handle, content));
      server.files.clear();
      expect(server.requests.at(-1)).to.equal(`HEAD /r/data/${handle.id}`);
    });
    const refuse: Intercept = (request, response) => {
      if (request.method === "POST") end(response, 403);
      return request.method === "POST";
    };
    await withServer(refuse, async (backend) => {
      await expectCode("forbidden", backend.save(handle, content));
    });
  });

  describe("listings", () => {
    it("need one request with protocol version 2", async () => {
      await withServer(undefined, async (backend, server) => {
        for (const id of ids) server.files.set(`keys/${id}`, Buffer.from(id));
        expect(await backend.list("keys")).to.have.deep.members(ids.map((id) => ({ id, sizeBytes: 64 })));
        expect(server.requests).to.deep.equal(["GET /r/keys/"]);
      });
    });

    for (const mediaType of [listMediaTypes[1], "application/json", ""]) {
      it(`need one HEAD per file when the answer's type is "${mediaType}"`, async () => {
        const intercept: Intercept = (request, response) =>
          request.url === "/r/keys/" && answer(response, 200, { "content-type": mediaType }, JSON.stringify(ids));
        await withServer(intercept, async (backend, server) => {
          for (const id of ids) server.files.set(`keys/${id}`, Buffer.from(id));
          server.files.delete(`keys/${ids[1]}`); // deleted since the list was made
          const expected = [ids[0], ids[2]].map((id) => ({ id, sizeBytes: 64 }));
          expect(await backend.list("keys")).to.have.deep.members(expected);
          const heads = ids.map((id) => `HEAD /r/keys/${id}`);
          expect(server.requests).to.have.members(["GET /r/keys/", ...heads]);
        });
      });
    }

    it("leave out names that are no ids, and count each id once", async () => {
      const [id = ""] = ids;
      const entries = [
        { name: id, size: 5 },
        { name: `${id}.rest-server-temp123`, size: 9 },
        { name: id, size: 5 },
        { name: id.toUpperCase(), size: 1 },
      ];
      const intercept: Intercept = (_, response) =>
        answer(response, 200, { "content-type": listMediaTypes[2] }, JSON.stringify(entries));
      await withServer(intercept, async (backend) => {
        expect(await backend.list("data")).to.deep.equal([{ id, sizeBytes: 5 }]);
      });
    });

    it("understand version 2 with parameters that a proxy added", async () => {
      const type = `${listMediaTypes[2]}; charset=utf-8`;
      const intercept: Intercept = (_, response) =>
        answer(response, 200, { "content-type": type }, '[{"name":"x","size":1}]');
      await withServer(intercept, async (backend) => {
        expect(await backend.list("data")).to.deep.equal([]);
      });
    });

    for (const text of ["", "[", '["', "{}", "<html>", '[{"name":1}]', '[{"name":"x"}]']) {
      it(`that are not lists may be tried again: ${JSON.stringify(text)}`, async () => {
        const intercept: Intercept = (_, response) =>
          answer(response, 200, { "content-type": listMediaTypes[2] }, text);
        await withServer(intercept, (backend) => expectCode("unavailable", backend.list("data")).then(() => undefined));
      });
    }

    it("of an absent folder are empty, but not when rclone says 404", async () => {
      await withServer(
        (_, response) => answer(response, 404, {}),
        async (backend) => {
          expect(await backend.list("data")).to.deep.equal([]);
        },
      );
      await withServer(
        (_, response) => answer(response, 404, { server: "rclone/v1.60.1" }),
        async (backend) => {
          await expectCode("unavailable", backend.list("data"));
        },
      );
    });

    it("may come in pieces, without a length", async () => {
      const many = Array.from({ length: 20_000 }, (_, index) => index.toString(16).padStart(64, "0"));
      const text = JSON.stringify(many.map((name) => ({ name, size: 7 })));
      const intercept: Intercept = (_, response) => {
        response.setHeader("content-type", listMediaTypes[2]);
        for (let at = 0; at < text.length; at += 100_000) response.write(text.slice(at, at + 100_000));
        response.end();
        return true;
      };
      await withServer(intercept, async (backend) => {
        expect((await backend.list("data")).map((file) => file.id)).to.deep.equal(many);
      });
    });
  });

  describe("loads", () => {
    const range = { offsetBytes: 100, lengthBytes: 50 };

    it("take the part themselves when a server ignores ranges", async () => {
      const intercept: Intercept = (_, response) => {
        end(response, 200, content);
        return true;
      };
      await withServer(intercept, async (backend) => {
        const expected = Uint8Array.from(content.subarray(100, 150));
        expect(await backend.load(handle, { range })).to.deep.equal(expected);
        expect(await backend.load(handle, { range, into: new Uint8Array(50) })).to.deep.equal(expected);
        await expectCode("out-of-range", backend.load(handle, { range: { offsetBytes: 290, lengthBytes: 11 } }));
      });
    });

    const wrongParts: Record<string, [Record<string, string>, string]> = {
      "a shorter part": [{ "content-range": "bytes 100-109/110" }, "x".repeat(10)],
      "a longer part": [{ "content-range": "bytes 100-299/300" }, "x".repeat(200)],
      "another part": [{ "content-range": "bytes 0-49/300" }, "x".repeat(50)],
      "an empty part": [{ "content-range": "bytes 300-299/300" }, ""],
    };
    for (const [name, [headers, text]] of Object.entries(wrongParts)) {
      it(`refuse ${name}`, async () => {
        const intercept: Intercept = (_, response) => answer(response, 206, headers, text);
        await withServer(intercept, async (backend) => {
          await expectCode("out-of-range", backend.load(handle, { range }));
          await expectCode("out-of-range", backend.load(handle, { range, into: new Uint8Array(50) }));
        });
      });
    }

    it("are unavailable, never short, when the line ends in the middle", async () => {
      const intercept: Intercept = (_, response) => {
        response.setHeader("content-length", content.length);
        response.write(content.subarray(0, 200), () => response.destroy());
        return true;
      };
      await withServer(intercept, async (backend) => {
        await expectCode("unavailable", backend.load(handle));
        await expectCode("unavailable", backend.load(handle, { into: new Uint8Array(1000) }));
      });
    });

    it("notice a body without a length that is cut", async () => {
      const intercept: Intercept = (_, response) => {
        response.write(content.subarray(0, 200), () => setTimeout(() => response.destroy(), 5));
        return true;
      };
      await withServer(intercept, async (backend) => {
        await expectCode("unavailable", backend.load(handle));
      });
    });

    it("take bodies without a length, into given memory too", async () => {
      const large = randomBytes(3_000_000);
      const intercept: Intercept = (_, response) => {
        for (let at = 0; at < large.length; at += 700_000) response.write(large.subarray(at, at + 700_000));
        response.end();
        return true;
      };
      await withServer(intercept, async (backend) => {
        expect(large.equals(await backend.load(handle))).to.equal(true);
        expect(large.equals(await backend.load(handle, { into: new Uint8Array(3_000_100) }))).to.equal(true);
        await expectCode("limit-exceeded", backend.load(handle, { into: new Uint8Array(2_000_000) }));
      });
    });

    it("do not believe a server that announces more than there can be", async () => {
      const intercept: Intercept = (_, response) => {
        response.setHeader("content-length", 2 ** 40);
        response.write("x");
        return true;
      };
      await withServer(intercept, async (backend) => {
        await expectCode("limit-exceeded", backend.load(handle));
      });
    });
  });

  it("removes gladly what rclone answers with 404", async () => {
    await withServer(
      (_, response) => answer(response, 404, {}),
      (backend) => backend.remove(handle),
    );
  });

  it("says so when a server does not tell a file's length", async () => {
    const intercept: Intercept = (_, response) => {
      response.writeHead(200, { "transfer-encoding": "chunked" });
      response.end();
      return true;
    };
    await withServer(intercept, async (backend) => {
      await expectCode("unavailable", backend.stat(handle));
    });
  });

  it("keeps locks on a connection of their own, and everything within the limit", async () => {
    let most = 0;
    const lockPorts = new Set<number>();
    const filePorts = new Set<number>();
    const intercept: Intercept = async (request, response) => {
      (request.url?.includes("/locks/") ? lockPorts : filePorts).add(request.socket.remotePort ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 2));
      end(response, 200, Buffer.from("[]"));
      return true;
    };
    await withServer(intercept, async (backend, server, transport) => {
      const watch = setInterval(() => {
        most = Math.max(most, server.openSockets);
      }, 1);
      const work = Array.from({ length: 60 }, () => [
        backend.stat(handle),
        backend.list("locks"),
        backend.list("data"),
      ]);
      await Promise.all(work.flat());
      clearInterval(watch);
      expect(most).to.be.at.most(6);
      expect(lockPorts.size).to.equal(1);
      expect(filePorts.size).to.equal(5);
      expect([...lockPorts].some((port) => filePorts.has(port))).to.equal(false);
      expect(transport.openedConnections).to.equal(6);
    });
  });
});
