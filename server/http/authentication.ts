/** Who asks: every request says it anew, and those who guess have to wait. */
import { setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import type { Authenticator, RequestDetails, RequestHeaders } from "../auth/authenticator.ts";
import { type Credentials, parseBasicCredentials } from "../auth/basic-credentials.ts";
import type { LoginAttempt, LoginOutcome, LoginThrottle } from "../auth/login-throttle.ts";
import type { Observer } from "../observation/observer.ts";
import { answerProblem } from "./answers.ts";
import type { Answer, ServerRequest, Step } from "./locals.ts";

/** How many may wait at the same time. More are sent away at once, to come again later. */
const mostWaiting = 1_000;
const comeBackMs = 5_000;

type LoginResult =
  | { readonly kind: "in"; readonly user: string }
  | { readonly kind: "wrong" }
  | { readonly kind: "throttled"; readonly retryAfterMs: number };

/** What a request tells of who sends it. */
type LoginRequest = RequestDetails & { readonly headers: RequestHeaders };

export class Login {
  readonly #authenticator: Authenticator;
  readonly #throttle: LoginThrottle | undefined;
  readonly #observer: Observer;
  /** Attempts under way: a client that opens several connections with the same credentials has tried once. */
  readonly #attempts = new Map<string, Promise<LoginResult>>();
  #waitingCount = 0;

  constructor(authenticator: Authenticator, throttle: LoginThrottle | undefined, observer: Observer) {
    this.#authenticator = authenticator;
    this.#throttle = throttle;
    this.#observer = observer;
  }

  /** Notes the user. Returns false when nobody that we know has asked, and the answer is given. */
  async identify(request: ServerRequest, response: Answer): Promise<boolean> {
    const { locals } = response;
    const credentials = parseBasicCredentials(request.headers.authorization);
    const result = await this.#logIn(request, credentials, locals.clientAddress);
    if (result.kind === "in") {
      locals.user = result.user;
      return true;
    }
    const status = result.kind === "wrong" ? 401 : 429;
    if (credentials !== undefined) {
      locals.isRefusalTold = true;
      const action = status === 401 ? "login-failed" : "login-throttled";
      this.#observer.loginRefused?.({ action, user: credentials.user, clientAddress: locals.clientAddress, status });
    }
    answerProblem(response, status, result.kind === "throttled" ? { "Retry-After": seconds(result.retryAfterMs) } : {});
    return false;
  }

  async #logIn(
    request: LoginRequest,
    credentials: Credentials | undefined,
    clientAddress: string,
  ): Promise<LoginResult> {
    // Without credentials nothing is guessed.
    if (this.#throttle === undefined || credentials === undefined) return this.#ask(request);
    // With a certificate, the same words can come from somebody else.
    const key = `${clientAddress} ${fingerprintOf(request)} ${request.headers.authorization}`;
    const underWay = this.#attempts.get(key);
    if (underWay !== undefined) return underWay;
    const attempt = this.#attempt(this.#throttle, request, { user: credentials.user, clientAddress }).finally(() =>
      this.#attempts.delete(key),
    );
    this.#attempts.set(key, attempt);
    return attempt;
  }

  async #attempt(throttle: LoginThrottle, request: LoginRequest, attempt: LoginAttempt): Promise<LoginResult> {
    const admission = await throttle.admit(attempt);
    if (!admission.isAdmitted) return { kind: "throttled", retryAfterMs: admission.retryAfterMs };
    let outcome: LoginOutcome = "aborted";
    try {
      if (admission.delayMs > 0 && !(await this.#wait(admission.delayMs))) {
        return { kind: "throttled", retryAfterMs: comeBackMs };
      }
      const result = await this.#ask(request);
      outcome = result.kind === "in" ? "right" : "wrong";
      return result;
    } finally {
      await throttle.settle(attempt, outcome);
    }
  }

  async #ask(request: LoginRequest): Promise<LoginResult> {
    const user = await this.#authenticator.authenticate(request.headers, request);
    return user === undefined ? { kind: "wrong" } : { kind: "in", user };
  }

  /** Returns false when too many wait already. */
  async #wait(delayMs: number): Promise<boolean> {
    if (this.#waitingCount >= mostWaiting) return false;
    this.#waitingCount += 1;
    try {
      await sleep(delayMs);
      return true;
    } finally {
      this.#waitingCount -= 1;
    }
  }
}

/** Of the certificate that counts as a login; empty without one. Asking for it costs, and most clients have none. */
function fingerprintOf({ socket }: LoginRequest): string {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return "";
  return socket.getPeerCertificate().fingerprint256 ?? "";
}

/** Lets those through who have logged in. */
export function requireLogin(login: Login): Step {
  return async (request, response, next) => {
    if (await login.identify(request, response)) next();
  };
}

function seconds(durationMs: number): string {
  return String(Math.ceil(durationMs / 1_000));
}
