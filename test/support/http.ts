/** HTTP requests exactly as they are given: no path is cleaned, no redirect followed, no header added that was not asked for. */
import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { request as requestTls } from "node:https";
import { connect, type Socket } from "node:net";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface RequestSettings {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

/** What to connect to: a port on the loopback interface, or a socket file. */
export interface HttpTarget {
  readonly port?: number;
  readonly socketPath?: string;
  /** Accepts any certificate. */
  readonly tls?: boolean;
}

/** Sends requests over connections of its own, which it keeps. */
export class HttpTestClient {
  readonly #target: HttpTarget;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(target: HttpTarget) {
    this.#target = target;
  }

  send(method: string, path: string, { headers = {}, body }: RequestSettings = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const { port, socketPath, tls } = this.#target;
      const outgoing = (tls ? requestTls : request)({
        ...(socketPath === undefined ? { host: "127.0.0.1", port } : { socketPath }),
        ...(tls ? { rejectUnauthorized: false } : { agent: this.#agent }),
        method,
        path,
        headers: { ...lengthOf(body, headers), ...headers },
      });
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on("data", (piece: Buffer) => pieces.push(piece));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const content = Buffer.concat(pieces);
          const { statusCode: status = 0, headers: replied } = incoming;
          resolve({ status, headers: replied, body: content, text: content.toString() });
        });
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function lengthOf(body: RequestSettings["body"], headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  if (body === undefined || headers["Transfer-Encoding"] !== undefined) return {};
  return { "Content-Length": Buffer.byteLength(body) };
}

/** Writes bytes to a new connection and returns all that comes back until the server closes it. */
export function exchangeRaw(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    collectText(socket).then(resolve, reject);
  });
}

/** Everything that a socket receives until its end, also when the end is a reset. */
export function collectText(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (piece: string) => {
      text += piece;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}
