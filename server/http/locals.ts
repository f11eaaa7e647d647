/** What the steps of handling a request tell each other. */
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { RequestBody } from "./request-body.ts";
import type { RequestTarget } from "./target.ts";

export interface Locals extends Record<string, unknown> {
  target: RequestTarget;
  body: RequestBody;
  /** Who asks; empty when nobody has to say. */
  user: string;
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
