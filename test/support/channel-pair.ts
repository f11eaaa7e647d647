/** Two ends of a channel as two processes have it: messages are copied, and arrive later. */
import type { Channel } from "../../server/cluster/line.ts";

export function channelPair(): [Channel, Channel] {
  const listeners: [((message: unknown) => void)[], ((message: unknown) => void)[]] = [[], []];
  const endOf = (own: 0 | 1): Channel => ({
    send: (message) => {
      const copy = structuredClone(message);
      setImmediate(() => {
        for (const listener of listeners[own === 0 ? 1 : 0]) listener(copy);
      });
    },
    onMessage: (listener) => void listeners[own].push(listener),
  });
  return [endOf(0), endOf(1)];
}
