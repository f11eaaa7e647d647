/** What the server does, told to those who want to know: access log, audit log, metrics. */
import type { FileHandle } from "../../shared/format/layout.ts";
import type { Address } from "../routes/address.ts";

/** Who did it: the name is empty when nobody had to say it. */
export interface Actor {
  readonly user: string;
  /** Of the client, not of a proxy in between that is trusted; "-" for a socket file. */
  readonly clientAddress: string;
}

/** A request whose answer was sent, or whose client is gone. */
export interface FinishedRequest extends Actor {
  /** Of the other end of the connection. */
  readonly peerAddress: string;
  readonly began: Date;
  readonly durationMs: number;
  readonly method: string;
  /** As it was sent. */
  readonly target: string;
  readonly httpVersion: string;
  /** 499 when no answer was given, because the client had gone. */
  readonly status: number;
  /** Of the answer's body. */
  readonly sentBytes: number;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
  /** What in a repository it was about; absent for everything else, and when it did not get that far. */
  readonly address: Address | undefined;
  /** True when what was refused has been told in detail, as a change or a login. */
  readonly isRefusalTold: boolean;
}

/** A change of what is stored that was made, or that was refused. */
export interface StorageChange extends Actor {
  readonly action: "create" | "write" | "delete" | "refused";
  readonly folders: readonly string[];
  /** Absent when it is about the repository. */
  readonly handle?: FileHandle;
  /** Written, or freed. Absent when nothing was (what was deleted did not exist), or nobody knows. */
  readonly sizeBytes?: number;
  /** The HTTP status that tells it. */
  readonly status: number;
}

/** A login that failed, or that was not even looked at after too many failures. */
export interface RefusedLogin extends Actor {
  readonly action: "login-failed" | "login-throttled";
  readonly status: number;
}

/** Takes what it wants to know. Must neither throw nor wait. */
export interface Observer {
  requestBegan?(): void;
  requestEnded?(request: FinishedRequest): void;
  storageChanged?(change: StorageChange): void;
  loginRefused?(login: RefusedLogin): void;
}

/** Tells all of them. */
export function combineObservers(observers: readonly Observer[]): Required<Observer> {
  return {
    requestBegan: () => {
      for (const observer of observers) observer.requestBegan?.();
    },
    requestEnded: (request) => {
      for (const observer of observers) observer.requestEnded?.(request);
    },
    storageChanged: (change) => {
      for (const observer of observers) observer.storageChanged?.(change);
    },
    loginRefused: (login) => {
      for (const observer of observers) observer.loginRefused?.(login);
    },
  };
}
