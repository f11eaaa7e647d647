/** One address in front of several servers: each new connection goes to the first one that takes it. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface FailoverProxy {
  /** Ends in a slash. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startFailoverProxy(targetPorts: readonly number[]): Promise<FailoverProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer({ pauseOnConnect: true }, (client) => {
    track(client);
    client.on("error", () => undefined);
    const tryNext = (index: number): void => {
      const port = targetPorts[index];
      if (port === undefined) return void client.destroy();
      const target = connect(port, "127.0.0.1");
      const goOn = (): void => tryNext(index + 1);
      target.once("error", goOn).once("connect", () => {
        target.off("error", goOn).on("error", () => client.destroy());
        track(target);
        client.once("close", () => target.destroy());
        target.once("close", () => client.destroy());
        client.pipe(target);
        target.pipe(client);
      });
    };
    tryNext(0);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
