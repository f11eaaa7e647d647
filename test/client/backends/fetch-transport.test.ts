import { expect } from "chai";
import { FetchTransport } from "../../../client/backends/fetch-transport.ts";
import type { HttpRequest } from "../../../client/backends/transport.ts";
import { expectCode } from "../../conformance/backend.ts";
import { end, type Intercept, SimpleServer } from "./simple-server.ts";

async function withServer(intercept: Intercept, use: (transport: FetchTransport) => Promise<void>): Promise<void> {
  const server = await SimpleServer.start({ intercept });
  const origin = `http://127.0.0.1:${server.port}`;
  try {
    await use(new FetchTransport({ origin, stuckRequestTimeoutMs: 300 }));
  } finally {
    await server.stop();
  }
}

function requestOf(parts: Partial<HttpRequest> = {}): HttpRequest {
  return { method: "GET", path: "/", headers: {}, lane: "files", limitBytes: 1e6, ...parts };
}

describe("FetchTransport", () => {
  it("keeps the beginning of an error answer", async () => {
    await withServer(
      (_, response) => {
        end(response, 500, Buffer.alloc(100_000, "e"));
        return true;
      },
      async (transport) => {
        const { status, body } = await transport.request(requestOf());
        expect(status).to.equal(500);
        expect(body).to.have.length(1024);
      },
    );
  });

  it("ends answers that do not come or stop, and keeps a cancellation a cancellation", async () => {
    await withServer(
      (request, response) => {
        if (request.url === "/half") {
          response.setHeader("content-length", 1000);
          response.write("x");
        }
        return true;
      },
      async (transport) => {
        await expectCode("request-timeout", transport.request(requestOf()));
        await expectCode("request-timeout", transport.request(requestOf({ path: "/half" })));
        await expectCode("cancelled", transport.request(requestOf({ signal: AbortSignal.timeout(20) })));
        await expectCode("cancelled", transport.request(requestOf({ signal: AbortSignal.abort() })));
      },
    );
  });

  it("reports a cut answer and a server that is gone as unavailable", async () => {
    await withServer(
      (_, response) => {
        response.setHeader("content-length", 1000);
        response.write("x", () => response.destroy());
        return true;
      },
      async (transport) => {
        await expectCode("unavailable", transport.request(requestOf()));
      },
    );
    const gone = new FetchTransport({ origin: "http://127.0.0.1:1" });
    await expectCode("unavailable", gone.request(requestOf()));
    await gone.close();
  });

  it("does not follow redirects, nor take more than the limit", async () => {
    await withServer(
      (_, response) => {
        response.setHeader("location", "/elsewhere");
        end(response, 301);
        return true;
      },
      async (transport) => {
        expect(await transport.request(requestOf())).to.include({ status: 301 });
      },
    );
    await withServer(
      (_, response) => {
        response.end(Buffer.alloc(3000));
        return true;
      },
      async (transport) => {
        await expectCode("limit-exceeded", transport.request(requestOf({ limitBytes: 2000 })));
      },
    );
  });
});
