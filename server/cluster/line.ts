/** Calls between two processes: each end offers functions, and calls those of the other as if they were its own. */
import { CofferError, type ErrorCode } from "../../shared/errors.ts";

/** What one end offers. Parameters and results have to survive a structured clone. */
export type Offer = { readonly [Name in string]: (...parameters: never[]) => unknown };

/** How messages get to the other process. `send` must not throw. */
export interface Channel {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

interface Call {
  readonly kind: "call";
  readonly name: string;
  readonly parameters: readonly unknown[];
  /** Absent when nobody waits for an answer. */
  readonly number?: number;
}

interface Answer {
  readonly kind: "answer";
  readonly number: number;
  readonly result?: unknown;
  readonly failure?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Line<Others extends Offer> {
  readonly #channel: Channel;
  readonly #offer: Offer;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #end: CofferError | undefined;

  constructor(channel: Channel, offer: Offer) {
    this.#channel = channel;
    this.#offer = offer;
    channel.onMessage((message) => {
      if (isMessage(message, "call")) void this.#serve(message as Call);
      else if (isMessage(message, "answer")) this.#take(message as Answer);
    });
  }

  /** Rejects with what the other end throws, as a `CofferError` of the same code; with `unavailable` when the line has ended. */
  call<Name extends keyof Others & string>(
    name: Name,
    ...parameters: Parameters<Others[Name]>
  ): Promise<Awaited<ReturnType<Others[Name]>>> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#calls += 1;
      this.#waiting.set(this.#calls, { resolve: resolve as Waiting["resolve"], reject });
      this.#channel.send({ kind: "call", name, parameters, number: this.#calls } satisfies Call);
    });
  }

  /** The same, but rejects with `unavailable` when there is no answer in time. */
  async callWithin<Name extends keyof Others & string>(
    limitMs: number,
    name: Name,
    ...parameters: Parameters<Others[Name]>
  ): Promise<Awaited<ReturnType<Others[Name]>>> {
    const answer = this.call(name, ...parameters);
    const number = this.#calls;
    const timer = setTimeout(() => {
      const message = `the other process of the server did not answer within ${limitMs} ms`;
      this.#waiting.get(number)?.reject(new CofferError("unavailable", message));
      this.#waiting.delete(number);
    }, limitMs);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Calls without waiting for the end. */
  tell<Name extends keyof Others & string>(name: Name, ...parameters: Parameters<Others[Name]>): void {
    if (this.#end === undefined) this.#channel.send({ kind: "call", name, parameters } satisfies Call);
  }

  /** To be called when the other process is gone: whoever waits for it learns that. */
  end(): void {
    this.#end ??= new CofferError("unavailable", "the other process of the server has ended");
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }

  async #serve({ name, parameters, number }: Call): Promise<void> {
    try {
      if (!Object.hasOwn(this.#offer, name))
        throw new CofferError("internal", `nothing of the name ${name} is offered`);
      const called = this.#offer[name] as unknown as (...parameters: unknown[]) => unknown;
      const result = await called(...parameters);
      if (number !== undefined) this.#channel.send({ kind: "answer", number, result } satisfies Answer);
    } catch (error) {
      if (number === undefined) return;
      const { code, message, data } = error instanceof CofferError ? error : asInternal(error);
      this.#channel.send({ kind: "answer", number, failure: { code, message, data } } satisfies Answer);
    }
  }

  #take({ number, result, failure }: Answer): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (failure === undefined) waiting?.resolve(result);
    else waiting?.reject(new CofferError(failure.code, failure.message, { data: failure.data }));
  }
}

/** Others may send messages over the same channel. */
function isMessage(message: unknown, kind: "call" | "answer"): boolean {
  return typeof message === "object" && message !== null && (message as { kind?: unknown }).kind === kind;
}

function asInternal(error: unknown): CofferError {
  return new CofferError("internal", error instanceof Error ? (error.stack ?? error.message) : String(error));
}
