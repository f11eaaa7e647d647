/**
 * Hands each new connection to the process that has the fewest. The process that accepts them keeps its own hold of a connection until the
 * other one has said that it has it: when that one ends instead, the client learns it at once.
 *
 * (`node:cluster` forgets connections that were on their way to a process that ended, and closes a listening socket with the last of its
 * processes: one from systemd would be lost for good.)
 */
import type { Socket } from "node:net";

/** A process that takes connections. */
export interface Taker {
  /** Sends the connection; calls back when that failed. */
  send(number: number, socket: Socket, onFailed: () => void): void;
}

interface Load {
  /** Those on their way included. */
  connections: number;
  /** Sent, and not yet confirmed. */
  readonly underWay: Map<number, Socket>;
}

/** A process that is slow to confirm may hang: a connection that it has not confirmed counts as much as so many others. */
const unconfirmedWeight = 8;

/** While nobody serves, as many wait for somebody who does. */
const mostWaiting = 1_000;

export class ConnectionSharing {
  readonly #loads = new Map<Taker, Load>();
  #waiting: Socket[] = [];
  #numbers = 0;
  #isClosed = false;

  /** A process serves from now on. */
  add(taker: Taker): void {
    this.#loads.set(taker, { connections: 0, underWay: new Map() });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) this.give(socket);
  }

  /** A process has ended. What was under way to it may have been read in part, so nobody else can go on with it. */
  remove(taker: Taker): void {
    for (const socket of this.#loads.get(taker)?.underWay.values() ?? []) socket.destroy();
    this.#loads.delete(taker);
  }

  /** Has a connection served, of which nothing was read. */
  give(socket: Socket): void {
    // Nobody reads it here, so an error is the business of whoever gets it.
    socket.on("error", () => undefined);
    const [taker, load] = this.#leastLoaded() ?? [];
    if (this.#isClosed || (taker === undefined && this.#waiting.length >= mostWaiting)) {
      socket.destroy();
    } else if (taker === undefined || load === undefined) {
      this.#waiting.push(socket);
    } else {
      this.#numbers += 1;
      const number = this.#numbers;
      load.connections += 1;
      load.underWay.set(number, socket);
      taker.send(number, socket, () => this.confirm(taker, number));
    }
  }

  /** The process has the connection, or never will: this one lets go of it. */
  confirm(taker: Taker, number: number): void {
    const load = this.#loads.get(taker);
    load?.underWay.get(number)?.destroy();
    load?.underWay.delete(number);
  }

  /** The process has closed one of its connections. */
  forget(taker: Taker): void {
    const load = this.#loads.get(taker);
    if (load !== undefined) load.connections -= 1;
  }

  /** Nobody is served any more who is not already. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting = [];
  }

  #leastLoaded(): [Taker, Load] | undefined {
    let least: [Taker, Load] | undefined;
    for (const [taker, load] of this.#loads) {
      if (least === undefined || weightOf(load) < weightOf(least[1])) least = [taker, load];
    }
    return least;
  }
}

function weightOf({ connections, underWay }: Load): number {
  return connections + underWay.size * unconfirmedWeight;
}
