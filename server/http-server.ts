/** The HTTP server around the application: limits, time-outs, TLS, and ending without cutting anybody off. */
import type { IncomingMessage, RequestListener, ServerOptions, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import { createServer, loadHttps } from "./http/node-http.ts";
import { holdContinue } from "./http/request-body.ts";

export interface TlsSettings {
  /** PEM. */
  readonly certificate: Uint8Array;
  /** PEM. */
  readonly key: Uint8Array;
  readonly minimumVersion: "1.2" | "1.3";
}

export interface HttpServer {
  readonly server: Server;
  /** Takes no more connections; resolves when all running requests have been answered. */
  drain(): Promise<void>;
}

/**
 * Go's clients keep idle connections for 90 s; the server keeps them longer, because a request sent into the moment of
 * closing is lost. Whole requests have no time-out: a pack may take long on a slow line (http/progress.ts watches progress).
 */
const serverOptions: ServerOptions = {
  keepAliveTimeout: 120_000,
  headersTimeout: 130_000,
  requestTimeout: 0,
  maxHeaderSize: 65_536,
  noDelay: true,
  keepAlive: true,
};

const cipherSuites = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** Makes a server; nothing listens yet. Throws when key and certificate cannot be used. */
export function createHttpServer(application: RequestListener, tls: TlsSettings | undefined): HttpServer {
  const server =
    tls === undefined
      ? createServer(serverOptions)
      : loadHttps().createServer({
          ...serverOptions,
          cert: Buffer.from(tls.certificate),
          key: Buffer.from(tls.key),
          minVersion: `TLSv${tls.minimumVersion}`,
          ciphers: cipherSuites,
          honorCipherOrder: true,
        });
  const sockets = new Set<Socket>();
  const running = new Set<ServerResponse>();
  /** The answer that each connection is busy with, or the one before. */
  const latest = new WeakMap<Socket, ServerResponse>();
  let isDraining = false;

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    // "OPTIONS *" asks about the server, not about anything that it stores.
    if (request.url === "*") {
      response.writeHead(request.method === "OPTIONS" ? 200 : 400, { "Content-Length": "0" }).end();
      return;
    }
    running.add(response);
    latest.set(request.socket, response);
    if (isDraining) response.shouldKeepAlive = false;
    response.once("close", () => {
      running.delete(response);
      if (isDraining) server.closeIdleConnections();
    });
    application(request, response);
  };
  /**
   * A request that was sent before the answer to the one before it waits for its turn. Node would let its answer begin at once, into
   * memory, and would never tell it that the client has left: whatever it had opened would stay open.
   */
  const serveInTurn = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.socket === null) response.once("socket", () => serve(request, response));
    else serve(request, response);
  };
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("request", serveInTurn);
  server.on("checkContinue", (request, response) => {
    holdContinue(request);
    serveInTurn(request, response);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    refuseMalformed(error, socket, latest.get(socket));
  });

  return {
    server,
    drain: () => {
      isDraining = true;
      for (const response of running) response.shouldKeepAlive = false;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const busy = new Set<Socket | null>(Array.from(running, (response) => response.socket));
      // Node does not count those as idle that have not sent a whole request yet.
      for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
      return closed;
    },
  };
}

/**
 * What is not HTTP never reaches the application: a bare answer, unless another one is on its way already, and the
 * connection ends. A body that breaks off ends here too.
 */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket, response: ServerResponse | undefined): void {
  const isAnswering = response?.headersSent === true && !response.writableFinished;
  const status = statusOfParserError(error.code ?? "");
  if (status === undefined || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  socket.write(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`);
  socket.destroySoon();
}

/** Undefined for what is not about HTTP: a connection that was reset, a TLS handshake that failed. */
function statusOfParserError(code: string): string | undefined {
  if (code === "HPE_HEADER_OVERFLOW") return "431 Request Header Fields Too Large";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "408 Request Timeout";
  return code.startsWith("HPE_") ? "400 Bad Request" : undefined;
}
