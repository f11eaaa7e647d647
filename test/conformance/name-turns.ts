/** What every adapter of the NameTurns port has to do. */
import { expect } from "chai";
import type { NameTurns } from "../../server/storage/name-turns.ts";

export interface Held {
  /** Resolves when the action has begun. */
  readonly begun: Promise<void>;
  /** Has the action end. */
  end(): void;
  /** What `run` gives. */
  readonly done: Promise<void>;
}

/** Asks for a turn and keeps it. */
export function hold(turns: NameTurns, name: string): Held {
  let begin = (): void => undefined;
  let end = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const done = turns.run(name, () => {
    begin();
    return ended;
  });
  return { begun, end, done };
}

/** Time enough for whatever would begin too early. */
export function aWhile(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** `open` gives as many views of the same turns as are asked for. */
export function describeNameTurns(title: string, open: (views: number) => readonly NameTurns[]): void {
  describe(`${title} as NameTurns`, () => {
    it("runs the actions of one name one after the other, in the order in which they were asked for", async () => {
      const views = open(3);
      const events: string[] = [];
      const runs = Array.from({ length: 30 }, (_, i) =>
        views[i % views.length]!.run("name", async () => {
          events.push(`begin ${i}`);
          await new Promise((resolve) => setImmediate(resolve));
          events.push(`end ${i}`);
          return i;
        }),
      );
      const numbers = Array.from({ length: 30 }, (_, i) => i);
      expect(await Promise.all(runs)).to.deep.equal(numbers);
      expect(events).to.deep.equal(numbers.flatMap((i) => [`begin ${i}`, `end ${i}`]));
    });

    it("does not have different names wait for each other", async () => {
      const [one, other] = open(2);
      const first = hold(one!, "a");
      await first.begun;
      expect(await other!.run("b", async () => "done")).to.equal("done");
      expect(await one!.run("c", async () => "done")).to.equal("done");
      first.end();
      await first.done;
    });

    it("passes on the very error of an action, and goes on", async () => {
      const [one, other] = open(2);
      const failure = new Error("of the action");
      const failing = one!.run("name", async () => {
        throw failure;
      });
      const next = other!.run("name", async () => "next");
      expect(await failing.catch((error: unknown) => error)).to.equal(failure);
      expect(await next).to.equal("next");
      expect(await one!.run("name", async () => "again")).to.equal("again");
    });
  });
}
