/** A line through an HTTP proxy to a server that speaks TLS: the proxy sees where it leads, and nothing of what is said. */
import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Socket } from "node:net";
import { CofferError } from "../../shared/errors.ts";
import type { HttpProxy } from "./proxy.ts";

/** `target`: host and port. Rejects with `unavailable` when the proxy cannot be reached or refuses. */
export function openTunnel(proxy: HttpProxy, target: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown): void => {
      request.destroy();
      reject(
        new CofferError("unavailable", `the proxy ${proxy.origin} gave no line to ${target}: ${reason}`, { cause }),
      );
    };
    const url = new URL(proxy.origin);
    const send = url.protocol === "https:" ? requestSecure : requestPlain;
    const request = send(url, {
      method: "CONNECT",
      path: target,
      agent: false,
      timeout: timeoutMs,
      headers: { host: target, ...(proxy.authorization && { "proxy-authorization": proxy.authorization }) },
    });
    request.once("connect", ({ statusCode = 0, statusMessage = "" }, socket: Socket, head: Buffer) => {
      // A server that speaks TLS waits for its client: bytes that come first are not the server's.
      if (statusCode !== 200 || head.length > 0) {
        socket.destroy();
        fail(statusCode === 200 ? "unexpected bytes" : `${statusCode} ${statusMessage}`);
        return;
      }
      socket.setTimeout(0);
      resolve(socket);
    });
    request.once("response", ({ statusCode = 0, statusMessage = "" }) => fail(`${statusCode} ${statusMessage}`));
    request.once("timeout", () => fail(`no answer within ${timeoutMs / 1000} s`));
    request.once("error", (error) => fail(error.message || error.name, error));
    request.end();
  });
}
