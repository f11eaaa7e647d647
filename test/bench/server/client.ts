/** Requests of a load: as cheap as possible, because the load runs on the processors that the server needs. */
import { type Dispatcher, Pool } from "undici";

export interface LoadRequest {
  readonly method: "GET" | "HEAD" | "POST" | "DELETE";
  /** Below the repository. */
  readonly path: string;
  readonly range?: string;
  readonly pieces?: readonly Buffer[];
  /** Takes each piece of the answer's body; the memory is only valid during the call. */
  readonly onData?: (piece: Buffer) => void;
}

export interface LoadAnswer {
  readonly status: number;
  readonly bodyBytes: number;
}

const acceptedLists = "application/vnd.x.restic.rest.v2";

/** A pool of kept-alive connections to one repository; counts how many it opens. */
export class LoadClient {
  openedConnections = 0;
  readonly #pool: Pool;
  readonly #basePath: string;

  /** `url` ends in a slash. */
  constructor(url: string, connections: number) {
    const { origin, pathname } = new URL(url);
    this.#basePath = pathname;
    this.#pool = new Pool(origin, { connections, pipelining: 1, headersTimeout: 120_000, bodyTimeout: 120_000 });
    this.#pool.on("connect", () => {
      this.openedConnections += 1;
    });
  }

  send(request: LoadRequest): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      let status = 0;
      let bodyBytes = 0;
      this.#pool.dispatch(this.#optionsOf(request), {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, piece) => {
          bodyBytes += piece.length;
          request.onData?.(piece);
        },
        onResponseEnd: () => resolve({ status, bodyBytes }),
        onResponseError: (_controller, error) => reject(error),
      });
    });
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #optionsOf({ method, path, range, pieces }: LoadRequest): Dispatcher.DispatchOptions {
    const lengthBytes = pieces?.reduce((sum, piece) => sum + piece.length, 0);
    return {
      method,
      path: this.#basePath + path,
      headers: {
        accept: acceptedLists,
        ...(range === undefined ? {} : { range }),
        ...(lengthBytes === undefined ? {} : { "content-length": String(lengthBytes) }),
      },
      // Without this undici closes the connection after every HEAD.
      ...(method === "HEAD" ? { reset: false } : {}),
      body: pieces === undefined ? null : pieces.length === 1 ? (pieces[0] ?? null) : bodyOf(pieces),
    };
  }
}

/** undici takes any iterable; its types know only streams. */
function bodyOf(pieces: readonly Buffer[]): NonNullable<Dispatcher.DispatchOptions["body"]> {
  return (async function* () {
    yield* pieces;
  })() as unknown as NonNullable<Dispatcher.DispatchOptions["body"]>;
}
