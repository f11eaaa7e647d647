/** One object's life and what goes wrong around it: the requests of a server's long life, in a fixed order. */
import { connect } from "node:net";
import type { LoadClient, LoadRequest } from "./client.ts";
import type { LoadObject } from "./objects.ts";

/** Requests of one cycle. */
export const cycleRequests = 10;

const absentId = "0".repeat(64);
const abortedBytes = 300_000;

/** Throws when an answer is not what it should be. */
export async function liveOnce(client: LoadClient, { id, sizeBytes, pieces }: LoadObject): Promise<void> {
  const path = `data/${id}`;
  const steps: readonly (readonly [LoadRequest, number])[] = [
    [{ method: "POST", path, pieces }, 200],
    // A retry whose first answer was lost.
    [{ method: "POST", path, pieces }, 200],
    [{ method: "GET", path }, 200],
    [{ method: "GET", path, range: "bytes=100-199" }, 206],
    [{ method: "HEAD", path }, 200],
    [{ method: "GET", path, range: `bytes=${sizeBytes}-` }, 416],
    [{ method: "GET", path: `data/${absentId}` }, 404],
    [{ method: "POST", path: `data/${absentId}`, pieces }, 400],
    [{ method: "GET", path: "snapshots/" }, 200],
    [{ method: "DELETE", path }, 200],
  ];
  for (const [request, expected] of steps) {
    const { status } = await client.send(request);
    if (status !== expected) throw new Error(`${request.method} ${request.path}: expected ${expected}, got ${status}`);
  }
}

/** An upload whose client goes away in the middle. Resolves when its connection is gone. */
export async function abortUpload(url: string): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  socket.write(`POST ${pathname}data/${absentId} HTTP/1.1\r\nHost: x\r\nContent-Length: ${abortedBytes * 2}\r\n\r\n`);
  socket.write(Buffer.alloc(abortedBytes), () => socket.destroy());
  await closed;
}
