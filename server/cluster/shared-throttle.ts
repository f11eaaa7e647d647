/**
 * Several processes that slow down those who guess passwords. Each counts by itself and tells the others of every failure, and of what a right
 * login makes them forget. So a right login of a client that is known costs no message, and who guesses through all processes at once gets
 * at most the first few guesses more, until the others have heard of them.
 */
import type {
  Admission,
  LoginAttempt,
  LoginOutcome,
  LoginThrottle,
  MemoryLoginThrottle,
} from "../auth/login-throttle.ts";

/** How a login ended elsewhere. */
export interface LoginNews {
  readonly attempt: LoginAttempt;
  readonly outcome: "right" | "wrong";
}

export class SharedLoginThrottle implements LoginThrottle {
  readonly #own: MemoryLoginThrottle;
  readonly #tell: (news: LoginNews) => void;

  constructor(own: MemoryLoginThrottle, tell: (news: LoginNews) => void) {
    this.#own = own;
    this.#tell = tell;
  }

  admit(attempt: LoginAttempt): Promise<Admission> {
    return this.#own.admit(attempt);
  }

  async settle(attempt: LoginAttempt, outcome: LoginOutcome): Promise<void> {
    if (outcome === "wrong" || (outcome === "right" && this.#own.isNews(attempt))) this.#tell({ attempt, outcome });
    await this.#own.settle(attempt, outcome);
  }

  /** What another process has told. */
  learn({ attempt, outcome }: LoginNews): void {
    if (outcome === "wrong") this.#own.countFailure(attempt);
    else this.#own.welcome(attempt);
  }
}
