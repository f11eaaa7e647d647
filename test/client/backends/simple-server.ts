/**
 * A REST server of a hundred lines over a map in memory: what a test wants to go wrong is put in front of it as `intercept`. Counts
 * the connections that it accepts and notes the requests that it gets.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP, type Socket } from "node:net";
import { listMediaTypes } from "../../../shared/rest/media-types.ts";

export type Intercept = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
) => boolean | undefined | Promise<boolean | undefined>;

export interface SimpleServerOptions {
  /** Handles a request and returns true, or leaves it to the server. */
  readonly intercept?: Intercept;
  /** Stands in for `createServer(listener)`: HTTPS. */
  readonly create?: (listener: (request: IncomingMessage, response: ServerResponse) => void) => Server;
  readonly listen?: { readonly port?: number; readonly socketPath?: string };
}

export class SimpleServer {
  readonly files: Map<string, Buffer> = new Map();
  readonly requests: string[] = [];
  acceptedConnections = 0;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  readonly #intercept: Intercept | undefined;

  private constructor(options: SimpleServerOptions) {
    this.#intercept = options.intercept;
    this.#server = (options.create ?? createServer)((request, response) => {
      void this.#serve(request, response);
    });
    this.#server.keepAliveTimeout = 120_000;
    this.#server.on("connection", (socket: Socket) => {
      this.acceptedConnections += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(options: SimpleServerOptions = {}): Promise<SimpleServer> {
    const server = new SimpleServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      const { socketPath, port = 0 } = options.listen ?? {};
      if (socketPath === undefined) server.#server.listen(port, "127.0.0.1", resolve);
      else server.#server.listen(socketPath, resolve);
    });
    return server;
  }

  get port(): number {
    const { address, port } = this.#server.address() as AddressInfo;
    if (isIP(address) === 0) throw new Error("the server listens on no port");
    return port;
  }

  /** The location of the repository "r" on this server. */
  get location(): string {
    return `rest:http://127.0.0.1:${this.port}/r/`;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Resets all connections, as a cut line does. */
  cut(): void {
    for (const socket of this.#sockets) {
      // Only TCP knows resets.
      if (socket.remoteAddress === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`);
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (await this.#intercept?.(request, response, body)) return;
      this.#answer(request, response, body);
    } catch {
      // The client went away in the middle of its request: nothing is stored.
      response.destroy();
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const path = (request.url ?? "").replace(/^\/r\//, "");
    if (path === "?create=true") end(response, 200);
    else if (path.endsWith("/")) this.#list(request, response, path);
    else if (request.method === "POST") this.#store(response, path, body);
    else if (request.method === "DELETE") this.#remove(response, path);
    else this.#send(request, response, path);
  }

  #store(response: ServerResponse, path: string, body: Buffer): void {
    if (this.files.has(path)) {
      end(response, 403);
      return;
    }
    this.files.set(path, body);
    end(response, 200);
  }

  #remove(response: ServerResponse, path: string): void {
    this.files.delete(path);
    end(response, 200);
  }

  #list(request: IncomingMessage, response: ServerResponse, path: string): void {
    const files = [...this.files].filter(([name]) => name.startsWith(path));
    const isVersion2 = request.headers.accept === listMediaTypes[2];
    const entries = files.map(([name, bytes]) => {
      const id = name.slice(path.length);
      return isVersion2 ? { name: id, size: bytes.length } : id;
    });
    response.setHeader("content-type", listMediaTypes[isVersion2 ? 2 : 1]);
    end(response, 200, Buffer.from(JSON.stringify(entries)));
  }

  #send(request: IncomingMessage, response: ServerResponse, path: string): void {
    const file = this.files.get(path);
    if (file === undefined) {
      end(response, 404, Buffer.from("Not Found\n"));
      return;
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    if (range === null || request.method === "HEAD" || path === "config" || file.length === 0) {
      end(response, 200, file, request.method === "HEAD");
      return;
    }
    const from = Number(range[1]);
    const to = Math.min(range[2] === "" ? file.length : Number(range[2]) + 1, file.length);
    if (from >= file.length) {
      end(response, 416, Buffer.from("invalid range: failed to overlap\n"));
      return;
    }
    response.setHeader("content-range", `bytes ${from}-${to - 1}/${file.length}`);
    end(response, 206, file.subarray(from, to));
  }
}

/** Sends a complete answer with its length. */
export function end(response: ServerResponse, status: number, body: Buffer = Buffer.alloc(0), isHead = false): void {
  response.statusCode = status;
  if (status >= 400) response.setHeader("content-type", "text/plain; charset=utf-8");
  response.setHeader("content-length", body.length);
  response.end(isHead ? undefined : body);
}
