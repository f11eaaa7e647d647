/**
 * Ending a connection so that what was sent still arrives. The system resets a connection that is closed with unread bytes, and a client
 * that is still sending then loses the answer that tells it to stop.
 */
import type { Socket } from "node:net";

const lingerMs = 1000;

/** Afterwards the connection's own back-pressure holds the client back until its time is over. */
const lingerBytes = 33_554_432;

const lingering = new WeakSet<Socket>();

/**
 * To be called for every connection: Node calls `destroySoon` when an answer was sent after which the connection is not kept, and would
 * close it at once.
 */
export function lingerAtEnd(socket: Socket): void {
  socket.destroySoon = () => linger(socket);
}

/** Tells the client that nothing more will come, throws away what it still sends, and closes when it has ended too or its time is over. */
export function linger(socket: Socket): void {
  if (lingering.has(socket) || socket.destroyed) return;
  lingering.add(socket);
  socket.end();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
  // Only Node's parser, which the next line puts aside, lets a connection go on that it has stopped; and it does so in the next tick.
  setImmediate(throwAway, socket);
}

/** What comes now is no request any more, nor part of one. */
function throwAway(socket: Socket): void {
  let restBytes = lingerBytes;
  socket.removeAllListeners("data").on("data", (chunk: Buffer) => {
    restBytes -= chunk.length;
    if (restBytes <= 0) socket.pause();
  });
}

/** True for a connection whose last answer was given: whatever comes on it means nothing any more. */
export function isLingering(socket: Socket): boolean {
  return lingering.has(socket);
}
