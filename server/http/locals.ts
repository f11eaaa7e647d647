/** What the steps of handling a request tell each other. */
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { StorageObservation } from "../observation/storage-observation.ts";
import type { Address } from "../routes/address.ts";
import type { RequestBody } from "./request-body.ts";
import type { RequestTarget } from "./target.ts";

export interface Locals extends Record<string, unknown> {
  target: RequestTarget;
  body: RequestBody;
  /** Who asks; empty when nobody has to say. */
  user: string;
  /** Of the client itself, when all proxies in between are trusted; "-" when it has none. */
  clientAddress: string;
  /** Set when the request was found to be about a repository. */
  address?: Address;
  /** Present when somebody wants to know of changes. */
  observation?: StorageObservation;
  /** True when a refusal was told already, in more detail than its status. */
  isRefusalTold?: boolean;
  /** One line for the operator about a failure that the status of the answer does not tell. */
  reportFailure: (error: unknown) => void;
}

export type ServerRequest = Request;
export type Answer = Response<unknown, Locals>;
export type Step = (request: ServerRequest, response: Answer, next: NextFunction) => void | Promise<void>;

/** A step as Express takes it. */
export function asHandler(step: Step): RequestHandler {
  return step as unknown as RequestHandler;
}
