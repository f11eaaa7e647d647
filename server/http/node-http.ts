/**
 * Node's HTTP without the client that comes with it: an `import` of a value from "node:http" loads undici too, which takes 13 MiB and
 * 20 ms and is not used here. It is spared only while no module of the server imports a value from "node:http" or "node:https"; types are free.
 */
const http: typeof import("node:http") = process.getBuiltinModule("node:http");

export const createServer: typeof http.createServer = http.createServer;
export const IncomingMessage: typeof http.IncomingMessage = http.IncomingMessage;
export const ServerResponse: typeof http.ServerResponse = http.ServerResponse;
export const statusTexts: typeof http.STATUS_CODES = http.STATUS_CODES;

/** Loads TLS only for those who serve it. */
export function loadHttps(): typeof import("node:https") {
  return process.getBuiltinModule("node:https");
}
