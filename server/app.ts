/** The server as an Express application: a function of its dependencies. Importing it opens nothing. */
import express, { type ErrorRequestHandler, type Express } from "express";
import { CofferError } from "../shared/errors.ts";
import type { Authenticator } from "./auth/authenticator.ts";
import type { LoginThrottle } from "./auth/login-throttle.ts";
import { type AccessLog, type AccessLogFormat, accessLogObserver } from "./http/access-log.ts";
import { answerProblem } from "./http/answers.ts";
import { Login, requireLogin } from "./http/authentication.ts";
import { identifyClient } from "./http/client-address.ts";
import { refuseCrossSite } from "./http/cross-site.ts";
import { reportRequests } from "./http/debug.ts";
import { type Answer, asHandler, type Step } from "./http/locals.ts";
import { observeRequests } from "./http/observe-requests.ts";
import { watchProgress } from "./http/progress.ts";
import { RequestBody } from "./http/request-body.ts";
import { statusOfError } from "./http/statuses.ts";
import { inOrder } from "./http/steps.ts";
import { cleanPath, parseTarget } from "./http/target.ts";
import type { TrustedProxies } from "./http/trusted-proxies.ts";
import { type MetricsPage, serveMetrics } from "./metrics/metrics-page.ts";
import { combineObservers, type Observer } from "./observation/observer.ts";
import { type ServerPages, servePages, serverPages } from "./pages/server-pages.ts";
import { fixedPolicy, policyOfFlags } from "./policy/flags-policy.ts";
import type { PolicySource } from "./policy/policy.ts";
import { dispatchTo } from "./routes/dispatch.ts";
import type { Repositories } from "./storage/storage.ts";

export interface AppDependencies {
  readonly repositories: Repositories;
  readonly authenticator: Authenticator;
  /** Who may do what. Absent: whoever gets in may do everything. */
  readonly policy?: PolicySource;
  /** Metrics, which tell of all users, are only for the user of that name. */
  readonly privateRepositories?: boolean;
  readonly accessLog?: AccessLog;
  readonly accessLogFormat?: AccessLogFormat;
  /** Further ones who want to know what happens: audit log, metrics. */
  readonly observers?: readonly Observer[];
  /** Without them, the address of a client is that of its connection. */
  readonly trustedProxies?: TrustedProxies;
  /** Slows down those who guess passwords. */
  readonly loginThrottle?: LoginThrottle;
  /** Sites whose pages may use the server. */
  readonly allowedOrigins?: ReadonlySet<string>;
  readonly metrics?: MetricsPage;
  readonly pages?: ServerPages;
  /** One line for the operator, without a line break. */
  readonly log?: (line: string) => void;
  /** Is told of every request, and of the errors that otherwise only the client learns. */
  readonly debug?: (line: string) => void;
  /** How long a client may neither send nor take anything in the middle of a request. */
  readonly stallTimeoutMs?: number;
}

const fiveMinutesMs = 300_000;
const openPolicy: PolicySource = fixedPolicy(policyOfFlags({ appendOnly: false, privateRepositories: false }));

export function createApp(dependencies: AppDependencies): Express {
  const app = express();
  app.disable("x-powered-by").disable("etag").set("query parser", false);
  const log = dependencies.log ?? (() => undefined);
  const observers = observersOf(dependencies);
  const observer = combineObservers(observers);
  const login = new Login(dependencies.authenticator, dependencies.loginThrottle, observer);
  const metrics = dependencies.metrics;
  const steps: (Step | undefined)[] = [
    // Counting and measuring costs something, so only for those who want to know.
    observers.length === 0 ? undefined : observeRequests(observer),
    dependencies.debug && reportRequests(dependencies.debug),
    prepare,
    identifyClient(dependencies.trustedProxies, log),
    reportFailuresTo(log),
    watchProgress(dependencies.stallTimeoutMs ?? fiveMinutesMs),
    refuseCrossSite(dependencies.allowedOrigins ?? new Set()),
    redirectToCleanPath,
    servePages(serverPages(dependencies.pages ?? {})),
    metrics && serveMetrics(metrics, login, dependencies.privateRepositories ?? false),
    requireLogin(login),
    dispatchTo(dependencies.repositories, dependencies.policy ?? openPolicy),
  ];
  app.use(asHandler(inOrder(steps.filter((step) => step !== undefined))));
  app.use(answerErrors(log, dependencies.debug));
  return app;
}

function observersOf({ accessLog, accessLogFormat, observers = [] }: AppDependencies): readonly Observer[] {
  return accessLog === undefined ? observers : [accessLogObserver(accessLog, accessLogFormat), ...observers];
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

function reportFailuresTo(log: (line: string) => void): Step {
  return (request, response, next) => {
    response.locals.reportFailure = (error) => log(describeFailure(request.method, response, error));
    next();
  };
}

/** Before anybody is asked who they are, and for every method: 307 makes clients repeat the request as it was. */
const redirectToCleanPath: Step = (_request, response, next) => {
  const { path, query } = response.locals.target;
  const cleaned = cleanPath(path);
  if (cleaned === undefined) return next();
  answerProblem(response, 307, { Location: encodeURI(cleaned).replaceAll("%25", "%") + (query && `?${query}`) });
};

function answerErrors(log: (line: string) => void, debug?: (line: string) => void): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const answer = response as unknown as Answer;
    const code = error instanceof CofferError ? error.code : "internal";
    const status = statusOfError(code);
    const isClientGone = code === "cancelled" || response.destroyed;
    const report = !isClientGone && (status >= 500 || isSuspicious(error)) ? log : debug;
    report?.(describeFailure(request.method, answer, error));
    // The rest of an answer that has begun cannot be made up: only a cut connection tells that it is not whole.
    if (isClientGone || response.headersSent) request.socket.destroy();
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
  return `${method} ${JSON.stringify(response.locals.target.path)}: ${onOneLine(details)}`;
}

/** Messages of the system repeat names that a client has chosen: these neither begin a line nor move the operator's cursor. */
function onOneLine(text: string): string {
  return text
    .replaceAll(/\s*[\r\n]+\s*/g, " ")
    .replaceAll(/[\p{Cc}\u2028\u2029]/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
