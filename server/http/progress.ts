/** Time-outs for lack of progress, instead of time-outs for whole requests: a pack may take an hour on a slow line. */
import type { Step } from "./locals.ts";

/**
 * Ends a connection whose client neither sent nor took a byte for this long, although it was its turn. While the server itself
 * is slow (a disk that hangs), the client is not to blame.
 */
export function watchProgress(stallTimeoutMs: number): Step {
  return (request, response, next) => {
    response.setTimeout(stallTimeoutMs, () => {
      const isClientsTurn = response.locals.body.isAwaited || request.socket.writableLength > 0;
      if (isClientsTurn) request.socket.destroy();
      else request.socket.setTimeout(stallTimeoutMs);
    });
    next();
  };
}
