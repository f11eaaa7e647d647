/** Time, as locks need it; handed in, so that tests can let half an hour pass in no time. */
import { pause } from "../backends/cancellation.ts";

export interface Clock {
  /** Milliseconds since 1970. May jump, and goes on while the machine sleeps. */
  wallMs(): number;
  /** Milliseconds since some moment. Never jumps, and may stand still while the machine sleeps. */
  monotonicMs(): number;
  /** Waits. A raised signal ends the wait at once with its reason as an error. */
  pause(durationMs: number, signal?: AbortSignal): Promise<void>;
  /** Calls back again and again until the returned function is called. */
  every(periodMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  pause,
  every: (periodMs, callback) => {
    const timer = setInterval(callback, periodMs);
    return () => clearInterval(timer);
  },
};
