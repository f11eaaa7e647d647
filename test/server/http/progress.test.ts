/** Who is slow lives, who stands still is cut; and a client is never blamed for the server's own slowness. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { MemoryRepositories } from "../../../server/storage/memory.ts";
import { StorageWrapper } from "../../../server/storage/wrapper.ts";
import type { FileHandle } from "../../../shared/format/layout.ts";
import { collectText } from "../../support/http.ts";
import { type ServedApp, serveApp } from "../../support/served-app.ts";
import { sha256, testBytes } from "../../support/stored-files.ts";

const stallTimeoutMs = 1_000;

describe("watching progress", () => {
  let served: ServedApp;

  afterEach(() => served.stop());

  it("lets a download live that is taken slowly, for longer than the time-out", async () => {
    served = await serveApp({ stallTimeoutMs });
    await served.client.send("POST", "/?create=true");
    const body = testBytes("taken slowly", 32_000_000);
    const path = `/data/${sha256(body)}`;
    expect((await served.client.send("POST", path, { body })).status).to.equal(200);
    const socket = connect(served.port, "127.0.0.1");
    let receivedBytes = 0;
    let pauses = 0;
    let nextPauseBytes = 0;
    socket.on("data", (piece) => {
      receivedBytes += piece.length;
      if (receivedBytes < nextPauseBytes) return;
      // Thirty pauses of 100 ms, in which the system's buffers fill up again.
      nextPauseBytes = receivedBytes + 1_000_000;
      pauses += 1;
      socket.pause();
      setTimeout(() => socket.resume(), 100);
    });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await closed;
    expect(pauses).to.be.greaterThan(20);
    expect(receivedBytes).to.be.greaterThan(body.length);
  });

  it("does not blame a client while the server does not take what it sends", async () => {
    const repositories = new MemoryRepositories();
    let goOn = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    class StuckStorage extends StorageWrapper {
      override put(handle: FileHandle, body: AsyncIterable<Uint8Array>): Promise<void> {
        async function* stuckBody(): AsyncIterable<Uint8Array> {
          for await (const piece of body) {
            await released;
            yield piece;
          }
        }
        return super.put(handle, stuckBody());
      }
    }
    served = await serveApp({
      stallTimeoutMs: 200,
      repositories: { at: (folders) => new StuckStorage(repositories.at(folders)) },
    });
    const body = testBytes("waits for the disk", 3_000_000);
    const socket = connect(served.port, "127.0.0.1");
    const answer = collectText(socket);
    socket.write(
      `POST /data/${sha256(body)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await sleep(900);
    goOn();
    expect(await answer).to.match(/^HTTP\/1\.1 200 /);
  });

  it("cuts a client that stands still while others go on", async () => {
    served = await serveApp({ stallTimeoutMs: 200 });
    await served.client.send("POST", "/?create=true");
    const socket = connect(served.port, "127.0.0.1");
    const answer = collectText(socket);
    socket.write(`POST /data/${sha256("x")} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\nabc`);
    let isCut = false;
    void answer.then(() => {
      isCut = true;
    });
    while (!isCut) {
      expect((await served.client.send("GET", "/data/")).status).to.equal(200);
      await sleep(20);
    }
    expect(await answer).to.equal("");
  });
});
