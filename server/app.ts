/** The server as an Express application: a function of its dependencies. Importing it opens nothing. */
import express, { type ErrorRequestHandler, type Express } from "express";
import { CofferError } from "../shared/errors.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import { type AccessLog, logAccess } from "./http/access-log.ts";
import { answerProblem, statusOfError } from "./http/answers.ts";
import { reportRequests } from "./http/debug.ts";
import { type Answer, asHandler, type Step } from "./http/locals.ts";
import { watchProgress } from "./http/progress.ts";
import { RequestBody } from "./http/request-body.ts";
import { cleanPath, parseTarget } from "./http/target.ts";
import { dispatchTo } from "./routes/dispatch.ts";
import type { Repositories } from "./storage/storage.ts";

export interface AppDependencies {
  readonly repositories: Repositories;
  readonly authenticator: Authenticator;
  /** Users see only the repositories below the folder of their own name. */
  readonly privateRepositories?: boolean;
  readonly accessLog?: AccessLog;
  /** One line for the operator, without a line break. */
  readonly log?: (line: string) => void;
  /** Is told of every request, and of the errors that otherwise only the client learns. */
  readonly debug?: (line: string) => void;
  /** How long a client may neither send nor take anything in the middle of a request. */
  readonly stallTimeoutMs?: number;
}

const fiveMinutesMs = 300_000;

export function createApp(dependencies: AppDependencies): Express {
  const app = express();
  app.disable("x-powered-by").disable("etag").set("query parser", false);
  if (dependencies.accessLog !== undefined) app.use(logAccess(dependencies.accessLog));
  if (dependencies.debug !== undefined) app.use(reportRequests(dependencies.debug));
  app.use(asHandler(prepare));
  app.use(asHandler(watchProgress(dependencies.stallTimeoutMs ?? fiveMinutesMs)));
  app.use(asHandler(redirectToCleanPath));
  app.use(asHandler(authenticateWith(dependencies.authenticator)));
  app.use(asHandler(dispatchTo(dependencies.repositories, dependencies.privateRepositories ?? false)));
  app.use(answerErrors(dependencies.log ?? (() => undefined), dependencies.debug));
  return app;
}

const prepare: Step = (request, response, next) => {
  response.locals.target = parseTarget(request.url);
  const body = new RequestBody(request, response);
  response.locals.body = body;
  // A client that goes away makes a write fail; whoever writes learns it from the write's callback.
  response.on("error", () => undefined);
  response.on("prefinish", () => body.discard());
  next();
};

/** Before anybody is asked who they are, and for every method: 307 makes clients repeat the request as it was. */
const redirectToCleanPath: Step = (_request, response, next) => {
  const { path, query } = response.locals.target;
  const cleaned = cleanPath(path);
  if (cleaned === undefined) return next();
  answerProblem(response, 307, { Location: encodeURI(cleaned).replaceAll("%25", "%") + (query && `?${query}`) });
};

function authenticateWith(authenticator: Authenticator): Step {
  return async (request, response, next) => {
    const user = await authenticator.authenticate(request.headers, request);
    if (user === undefined) return answerProblem(response, 401);
    response.locals.user = user;
    next();
  };
}

function answerErrors(log: (line: string) => void, debug?: (line: string) => void): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const answer = response as unknown as Answer;
    const code = error instanceof CofferError ? error.code : "internal";
    const isLogged = statusOfError(code) >= 500 && code !== "cancelled" && !response.destroyed;
    if (!isLogged && !isSuspicious(error)) debug?.(describeFailure(request.method, answer, error));
    if (code === "cancelled" || response.destroyed) {
      request.socket.destroy();
      return;
    }
    const status = statusOfError(code);
    if (status >= 500 || isSuspicious(error)) log(describeFailure(request.method, answer, error));
    // The rest of an answer that has begun cannot be made up: only a cut connection tells that it is not whole.
    if (response.headersSent) request.socket.destroy();
    else answerProblem(answer, status, status === 503 ? { "Retry-After": "1" } : {});
  };
}

function isSuspicious(error: unknown): boolean {
  return error instanceof CofferError && error.data["isSuspicious"] === true;
}

/** One line. What nobody expected is a mistake of ours, and only its stack tells where. */
function describeFailure(method: string, response: Answer, error: unknown): string {
  const isExpected = error instanceof CofferError && error.code !== "internal";
  const details =
    error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error);
  return `${method} ${JSON.stringify(response.locals.target.path)}: ${details.replaceAll(/\s*[\r\n]+\s*/g, " ")}`;
}
