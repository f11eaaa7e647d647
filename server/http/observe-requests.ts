/** Watches every request from its beginning to the end of its answer. */
import type { ServerResponse } from "node:http";
import type { Observer } from "../observation/observer.ts";
import { StorageObservation } from "../observation/storage-observation.ts";
import type { Step } from "./locals.ts";

/** Stands for an answer that was never given, because the client had gone. No client ever sees it. */
const clientClosed = 499;

/** The first step of all. `now` tells the time, `clockMs` measures it. */
export function observeRequests(
  observer: Required<Observer>,
  now: () => Date = () => new Date(),
  clockMs: () => number = () => performance.now(),
): Step {
  const observation = new StorageObservation(observer);
  return (request, response, next) => {
    const began = now();
    const beganMs = clockMs();
    const peerAddress = request.socket.remoteAddress ?? "-";
    const sent = countBody(response);
    const { locals } = response;
    locals.observation = observation;
    observer.requestBegan();
    response.once("close", () => {
      observer.requestEnded({
        user: locals.user ?? "",
        clientAddress: locals.clientAddress ?? peerAddress,
        peerAddress,
        began,
        durationMs: clockMs() - beganMs,
        method: request.method,
        target: request.originalUrl,
        httpVersion: request.httpVersion,
        status: response.headersSent ? response.statusCode : clientClosed,
        sentBytes: sent.bytes,
        referer: request.headers.referer,
        userAgent: request.headers["user-agent"],
        address: locals.address,
        isRefusalTold: locals.isRefusalTold ?? false,
      });
    });
    next();
  };
}

function countBody(response: ServerResponse): { bytes: number } {
  const sent = { bytes: 0 };
  const count = (chunk: unknown): void => {
    if (typeof chunk === "string") sent.bytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) sent.bytes += chunk.length;
  };
  for (const method of ["write", "end"] as const) {
    const original = response[method].bind(response) as (...parameters: unknown[]) => unknown;
    Object.assign(response, {
      [method]: (...parameters: unknown[]) => {
        count(parameters[0]);
        return original(...parameters);
      },
    });
  }
  return sent;
}
