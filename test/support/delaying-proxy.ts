/** A TCP proxy on loopback that keeps everything back for a while, as a long line does: a delay, but no less throughput. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface DelayingProxy {
  /** Ends in a slash. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A request over an open connection takes at least a round trip, a new connection one more (the proxy itself accepts at once, so its
 * handshake is made up by holding the first bytes for longer).
 */
export async function startDelayingProxy(targetPort: number, roundTripMs: number): Promise<DelayingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const target = connect({ port: targetPort, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const openedMs = performance.now();
    forward(client, target, () => roundTripMs / 2 + Math.max(0, openedMs + roundTripMs - performance.now()));
    forward(target, client, () => roundTripMs / 2);
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Timers of equal length end in the order in which they began, and a longer delay comes only at the beginning. */
function forward(from: Socket, to: Socket, delayMs: () => number): void {
  let lastMs = 0;
  const later = (action: () => void): void => {
    // Nothing overtakes what came before it.
    const nowMs = performance.now();
    lastMs = Math.max(lastMs, nowMs + delayMs());
    setTimeout(action, lastMs - nowMs);
  };
  from.on("data", (bytes) => later(() => to.write(bytes)));
  from.on("end", () => later(() => to.end()));
  from.on("error", () => to.destroy());
  from.on("close", () => later(() => to.destroy()));
}
