/** The HTTP server around the application: limits, time-outs, TLS, and ending without cutting anybody off. */
import type { IncomingMessage, RequestListener, ServerOptions, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import { createServer, loadHttps } from "./http/node-http.ts";
import { holdContinue } from "./http/request-body.ts";
import { RequestTurns } from "./http/request-turns.ts";
import { type TlsSettings, tlsOptions } from "./tls-settings.ts";

export interface HttpServer {
  readonly server: Server;
  /** Takes no more connections; resolves when all running requests have been answered. */
  drain(): Promise<void>;
  /** New connections get the new certificate; those that are open go on with theirs. Only for a server that began with TLS. */
  replaceCertificate(settings: TlsSettings): void;
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

/** Makes a server; nothing listens yet. Throws when key and certificate cannot be used. */
export function createHttpServer(application: RequestListener, tls: TlsSettings | undefined): HttpServer {
  const server =
    tls === undefined
      ? createServer(serverOptions)
      : loadHttps().createServer({
          ...serverOptions,
          ...tlsOptions(tls),
        });
  const sockets = new Set<Socket>();
  const turns = new RequestTurns();
  const running = new Set<ServerResponse>();
  /** The answer that each connection is busy with, or the one before. */
  const latest = new WeakMap<Socket, ServerResponse>();
  let isDraining = false;

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      response.writeHead(refusal, { "Content-Length": "0", ...(refusal === 200 ? {} : { Connection: "close" }) }).end();
      return;
    }
    running.add(response);
    latest.set(request.socket, response);
    if (isDraining) response.shouldKeepAlive = false;
    response.once("close", () => {
      running.delete(response);
      // Its head may have promised to keep the connection, and the client may have begun another request already.
      if (isDraining) endSocket(request.socket);
    });
    application(request, response);
  };
  // With TLS this is the bare line; the socket that requests come from is made once both sides have agreed on keys.
  server.on("connection", (socket: Socket) => track(sockets, socket));
  if (tls !== undefined) server.on("secureConnection", (socket: Socket) => track(sockets, socket));
  server.on("request", (request, response) => turns.await(request, response, () => serve(request, response)));
  server.on("checkContinue", (request, response) => {
    holdContinue(request);
    turns.await(request, response, () => serve(request, response));
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
      const isBusy = tls === undefined ? isOneOf(socketsOf(running)) : isOnLineOf(socketsOf(running));
      // Node does not count those as idle that have not sent a whole request yet, or not agreed on keys.
      for (const socket of sockets) if (!isBusy(socket)) socket.destroy();
      return closed;
    },
    replaceCertificate: (settings) => {
      if ("setSecureContext" in server) server.setSecureContext(tlsOptions(settings));
    },
  };
}

function track(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
}

function socketsOf(responses: Iterable<ServerResponse>): Socket[] {
  return Array.from(responses, ({ socket }) => socket).filter((socket) => socket !== null);
}

/** Lines over a socket file have no address, so only the sockets themselves tell them apart. */
function isOneOf(busy: readonly Socket[]): (socket: Socket) => boolean {
  const known = new Set(busy);
  return (socket) => known.has(socket);
}

/** A bare line and the TLS on it are two sockets with the same peer. */
function isOnLineOf(busy: readonly Socket[]): (socket: Socket) => boolean {
  const known = new Set(busy.map(peerOf));
  return (socket) => known.has(peerOf(socket));
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

const lingerMs = 1000;

/** Ends a connection so that what was sent still arrives: closed with unread bytes, it would be reset. */
function endSocket(socket: Socket): void {
  socket.end();
  setTimeout(() => socket.destroy(), lingerMs);
}

/**
 * The status for a request that means nothing here, or undefined. "OPTIONS *" asks about the server, not about anything that it stores. A
 * coding besides "chunked" would have to be undone before anything is stored. A target in the form for proxies becomes a path.
 */
function refusalOf(request: IncomingMessage): number | undefined {
  const { url = "", method, headers } = request;
  if (url === "*") return method === "OPTIONS" ? 200 : 400;
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") return 501;
  if (url.startsWith("/")) return undefined;
  const origin = /^https?:\/\/[^/?#]*/i.exec(url);
  if (origin === null) return 400;
  const rest = url.slice(origin[0].length);
  request.url = rest.startsWith("/") ? rest : `/${rest}`;
  return undefined;
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
