/** What the server's main thread and the thread that lists folders say to each other. */

export interface ListRequest {
  /** Names the list; the first request for it says what to list. */
  readonly list: number;
  readonly open?: {
    readonly folder: string;
    /** The folders below that hold the files, by the first two digits of their names; otherwise the folder itself does. */
    readonly isSpread: boolean;
  };
  /** Nobody wants the rest. No reply follows. */
  readonly close?: true;
}

/** The ids one after the other, without anything between them, and their sizes in bytes. */
export interface ListBatch {
  readonly ids: string;
  readonly sizes: Float64Array;
}

/** One for each request that is not a closing one: a batch, the end, or an error. */
export type ListReply =
  | { readonly list: number; readonly batch: ListBatch }
  | { readonly list: number; readonly isEnd: true }
  | { readonly list: number; readonly error: { readonly code: string | undefined; readonly message: string } };
