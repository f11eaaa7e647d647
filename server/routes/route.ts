/** What each resource of a repository tells about itself: which methods it has, and what each does. */
import type { Answer, ServerRequest } from "../http/locals.ts";
import type { Storage } from "../storage/storage.ts";
import type { Resource } from "./address.ts";

/** One request to a resource that was found, by somebody who may. Errors become statuses in one place: throw them. */
export interface Exchange<Kind extends Resource["kind"]> {
  readonly request: ServerRequest;
  readonly response: Answer;
  readonly storage: Storage;
  readonly resource: Extract<Resource, { kind: Kind }>;
}

export interface Route<Kind extends Resource["kind"]> {
  /** The value of `Allow` when the method is none of these. */
  readonly allow: string;
  readonly methods: Readonly<Record<string, (exchange: Exchange<Kind>) => Promise<void>>>;
}
