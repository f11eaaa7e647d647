/** Whether the server can store something right now. */
import type { StorageProbe } from "../storage/probe.ts";

/** Tells whoever asks no more than they need: the reasons are for the server's own log. */
export interface ReadinessReport {
  readonly status: "ready" | "not-ready";
  readonly storage?: "ok" | "failed";
  readonly space?: "ok" | "low" | "unknown";
}

export interface ReadinessSettings {
  readonly probe: StorageProbe;
  /** 0: whatever is free is enough, as long as the probe's file fits. */
  readonly minimumFreeBytes: number;
  /** For the operator: once when something becomes wrong, once when all is well again. */
  readonly log: (line: string) => void;
  /** A clock in milliseconds that never goes back. */
  readonly now?: () => number;
  readonly deadlineMs?: number;
}

/** However often somebody asks, the disk is asked this seldom. */
const cacheLifetimeMs = 5_000;

export class Readiness {
  readonly #settings: ReadinessSettings;
  readonly #now: () => number;
  #report: ReadinessReport | undefined;
  #reportedMs = 0;
  #checking: Promise<ReadinessReport> | undefined;
  /** A probe that did not come back in time may still be running. It is not started a second time. */
  #probing: Promise<void> | undefined;
  #isTroubleTold = false;

  constructor(settings: ReadinessSettings) {
    this.#settings = settings;
    this.#now = settings.now ?? (() => performance.now());
  }

  /** Never throws. */
  async check(): Promise<ReadinessReport> {
    if (this.#report !== undefined && this.#now() - this.#reportedMs < cacheLifetimeMs) return this.#report;
    this.#checking ??= this.#checkNow().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #checkNow(): Promise<ReadinessReport> {
    const reasons: string[] = [];
    const storage = await this.#checkStorage(reasons);
    const space = await this.#checkSpace(reasons);
    this.#tell(reasons);
    this.#report = { status: reasons.length === 0 ? "ready" : "not-ready", storage, space };
    this.#reportedMs = this.#now();
    return this.#report;
  }

  async #checkStorage(reasons: string[]): Promise<"ok" | "failed"> {
    try {
      this.#probing ??= this.#settings.probe.readiness().finally(() => {
        this.#probing = undefined;
      });
      await this.#withDeadline(this.#probing);
      return "ok";
    } catch (error) {
      reasons.push(`storage: ${(error as Error).message}`);
      return "failed";
    }
  }

  async #checkSpace(reasons: string[]): Promise<"ok" | "low" | "unknown"> {
    const { probe, minimumFreeBytes } = this.#settings;
    try {
      const space = probe.space === undefined ? undefined : await this.#withDeadline(probe.space());
      if (space === undefined) return "unknown";
      if (space.freeBytes >= minimumFreeBytes) return "ok";
      reasons.push(`space: ${space.freeBytes} bytes are free, expected at least ${minimumFreeBytes}`);
      return "low";
    } catch {
      // Whether the storage works, the probe has told already.
      return "unknown";
    }
  }

  async #withDeadline<Result>(work: Promise<Result>): Promise<Result> {
    const deadlineMs = this.#settings.deadlineMs ?? 5_000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #tell(reasons: readonly string[]): void {
    const isTrouble = reasons.length > 0;
    if (isTrouble === this.#isTroubleTold) return;
    this.#isTroubleTold = isTrouble;
    this.#settings.log(isTrouble ? `Not ready: ${reasons.join("; ")}` : "Ready again");
  }
}
