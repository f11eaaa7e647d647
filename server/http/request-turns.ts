/**
 * Requests of one connection, one after the other. A client may send the next request before it has the answer to the last. Node would
 * begin it at once and keep its answer in memory, and would never tell it that the client has left: whatever it had opened would stay
 * open. So it waits; and while one waits nothing more is read, or a client could fill the memory with requests.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What one read from the line can bring at most is more; no client that means well sends so many ahead. */
const maxWaiting = 200;

export class RequestTurns {
  readonly #waiting = new WeakMap<Socket, number>();

  /** Calls `serve` when the answers to all earlier requests of the connection have been given; never if the client leaves before. */
  await(request: IncomingMessage, response: ServerResponse, serve: () => void): void {
    const { socket } = request;
    if (socket.destroyed) return;
    if (response.socket !== null) {
      serve();
      return;
    }
    const waiting = (this.#waiting.get(socket) ?? 0) + 1;
    this.#waiting.set(socket, waiting);
    if (waiting > maxWaiting) {
      socket.destroy();
      return;
    }
    // Each time: whoever read the body of the request before may have let the line go on.
    socket.pause();
    response.once("socket", () => {
      const left = (this.#waiting.get(socket) ?? 1) - 1;
      this.#waiting.set(socket, left);
      if (left === 0) socket.resume();
      serve();
    });
  }
}
