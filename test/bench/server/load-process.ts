/** The parent's end of the process that makes the load. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { LoadReply, LoadResult } from "./load-worker.ts";
import type { LoadOrder } from "./works.ts";

export class LoadProcess {
  readonly #child: ChildProcess = fork(new URL("load-worker.ts", import.meta.url));

  /** Throws when one answer was not what it should be. */
  async run(order: LoadOrder): Promise<LoadResult> {
    const reply = this.#nextReply();
    this.#child.send(order);
    const answer = await reply;
    if ("error" in answer) throw new Error(answer.error);
    return answer.result;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  #nextReply(): Promise<LoadReply> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(new Error("the load's process has ended"));
      this.#child.once("exit", lost);
      this.#child.once("message", (reply) => {
        this.#child.off("exit", lost);
        resolve(reply as LoadReply);
      });
    });
  }
}
