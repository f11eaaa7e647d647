/** The HTTP server around the application: limits, time-outs, TLS, and ending without cutting anybody off. */
import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import { isLingering, linger, lingerAtEnd } from "../http/linger.ts";
import { type Application, messageClassesOf } from "../http/message-classes.ts";
import { createServer, loadHttps } from "../http/node-http.ts";
import { holdContinue } from "../http/request-body.ts";
import { RequestTurns } from "../http/request-turns.ts";
import { originForm } from "../http/target.ts";
import { type TlsSettings, tlsOptions } from "./tls-settings.ts";

export interface HttpServer {
  readonly server: Server;
  /** Connections that are open. */
  readonly connectionCount: number;
  /** Serves a connection that was accepted elsewhere, and of which nothing was read. */
  take(socket: Socket): void;
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
export function createHttpServer(application: Application, tls: TlsSettings | undefined): HttpServer {
  const options = { ...serverOptions, ...messageClassesOf(application) };
  const server =
    tls === undefined ? createServer(options) : loadHttps().createServer({ ...options, ...tlsOptions(tls) });
  const connections = new Map<Socket, Connection>();
  let connectionCount = 0;
  const turns = new RequestTurns();
  let isDraining = false;
  /** Of a server that does not listen itself, Node begins to watch how long headers take only when it is told that it does. */
  let hasTaken = false;
  let onEmpty: (() => void) | undefined;

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      response.writeHead(refusal, { "Content-Length": "0", ...(refusal === 200 ? {} : { Connection: "close" }) }).end();
      return;
    }
    const connection = connections.get(request.socket) ?? track(connections, request.socket);
    connection.latest = response;
    connection.isBusy = true;
    if (isDraining) response.shouldKeepAlive = false;
    response.once("close", () => {
      if (connection.latest === response) connection.isBusy = false;
      // Its head may have promised to keep the connection, and the client may have begun another request already.
      if (isDraining) linger(request.socket);
    });
    application(request, response);
  };
  // With TLS this is the bare line; the socket that requests come from is made once both sides have agreed on keys.
  server.on("connection", (socket: Socket) => {
    track(connections, socket);
    connectionCount += 1;
    socket.once("close", () => {
      connectionCount -= 1;
      if (connectionCount === 0) onEmpty?.();
    });
  });
  if (tls !== undefined) server.on("secureConnection", (socket: Socket) => track(connections, socket));
  server.on(tls === undefined ? "connection" : "secureConnection", lingerAtEnd);
  server.on("request", (request, response) => turns.await(request, response, () => serve(request, response)));
  server.on("checkContinue", (request, response) => {
    holdContinue(request);
    turns.await(request, response, () => serve(request, response));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!isLingering(socket)) refuseMalformed(error, socket, connections.get(socket)?.latest);
  });

  return {
    server,
    get connectionCount() {
      return connectionCount;
    },
    take: (socket) => {
      if (!hasTaken && !server.listening) server.emit("listening");
      hasTaken = true;
      // What `serverOptions` says of those that the server accepts itself, and that clients may end their side before they have their answer.
      socket.setNoDelay(true).setKeepAlive(true);
      socket.allowHalfOpen = true;
      server.emit("connection", socket);
    },
    drain: () => {
      isDraining = true;
      const busy: Socket[] = [];
      for (const [socket, { latest, isBusy }] of connections) {
        if (!isBusy && !isLingering(socket)) continue;
        busy.push(socket);
        if (latest !== undefined) latest.shouldKeepAlive = false;
      }
      if (server.listening) server.close();
      const isBusy = tls === undefined ? isOneOf(busy) : isOnLineOf(busy);
      const closed = new Promise<void>((resolve) => {
        if (connectionCount === 0) resolve();
        else onEmpty = resolve;
      });
      // Node does not count those as idle that have not sent a whole request yet, or not agreed on keys.
      for (const socket of connections.keys()) if (!isBusy(socket)) socket.destroy();
      return closed;
    },
    replaceCertificate: (settings) => {
      if ("setSecureContext" in server) server.setSecureContext(tlsOptions(settings));
    },
  };
}

/**
 * What is known of a connection. One object for all its requests: a `Set` of the answers under way, which changes with each of them, would
 * keep V8 from collecting what they leave behind while it is young, and cost a fifth of the time of small requests.
 */
interface Connection {
  /** The answer that the connection is busy with, or the one before. */
  latest: ServerResponse | undefined;
  isBusy: boolean;
}

function track(connections: Map<Socket, Connection>, socket: Socket): Connection {
  const connection: Connection = { latest: undefined, isBusy: false };
  connections.set(socket, connection);
  socket.once("close", () => connections.delete(socket));
  return connection;
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

/**
 * The status for a request that means nothing here, or undefined. "OPTIONS *" asks about the server, not about anything that it stores. A
 * coding besides "chunked" would have to be undone before anything is stored. A target in the form for proxies becomes a path.
 */
function refusalOf(request: IncomingMessage): number | undefined {
  const { url = "", method, headers } = request;
  if (url === "*") return method === "OPTIONS" ? 200 : 400;
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") return 501;
  const target = originForm(url);
  if (target === undefined) return 400;
  request.url = target;
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
  linger(socket);
}

/** Undefined for what is not about HTTP: a connection that was reset, a TLS handshake that failed. */
function statusOfParserError(code: string): string | undefined {
  if (code === "HPE_HEADER_OVERFLOW") return "431 Request Header Fields Too Large";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "408 Request Timeout";
  return code.startsWith("HPE_") ? "400 Bad Request" : undefined;
}
