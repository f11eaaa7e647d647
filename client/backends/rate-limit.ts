/** `--limit-upload` and `--limit-download`: bytes per second, shared by all operations under way. */
import type { FileHandle } from "../../shared/format/layout.ts";
import type { Backend, LoadOptions } from "./backend.ts";
import { pause } from "./cancellation.ts";
import { BackendWrapper } from "./wrapper.ts";

/** A quarter of a second of traffic: short enough to be smooth, long enough not to be work. */
const pieceSeconds = 0.25;
const smallestPieceBytes = 4 * 1024;
const largestPieceBytes = 1024 * 1024;

/** Says how long to wait so that bytes flow at a fixed rate on average. Waiting itself is the caller's part. */
export class RateLimiter {
  readonly bytesPerSecond: number;
  /** Pieces in which a limited transfer should move. */
  readonly pieceBytes: number;
  readonly #nowMs: () => number;
  #freeAtMs: number = 0;

  /** `nowMs`: a clock that never goes back. */
  constructor(bytesPerSecond: number, nowMs: () => number = () => performance.now()) {
    this.bytesPerSecond = bytesPerSecond;
    const piece = Math.floor(bytesPerSecond * pieceSeconds);
    this.pieceBytes = Math.min(largestPieceBytes, Math.max(smallestPieceBytes, piece));
    this.#nowMs = nowMs;
  }

  /** Takes the next free time for `bytes` and returns the milliseconds until it begins. */
  reserve(bytes: number): number {
    const nowMs = this.#nowMs();
    const startMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = startMs + (bytes / this.bytesPerSecond) * 1000;
    return startMs - nowMs;
  }
}

/**
 * Limits a backend that has no transport to be limited, such as a local folder on a network drive. (The REST backend's limit
 * is in its transport, where single packets can be held back.) A file waits for its whole length, then moves at once.
 */
export class RateLimitedBackend extends BackendWrapper {
  readonly #upload: RateLimiter | undefined;
  readonly #download: RateLimiter | undefined;

  constructor(inner: Backend, limits: { readonly upload?: RateLimiter; readonly download?: RateLimiter }) {
    super(inner);
    this.#upload = limits.upload;
    this.#download = limits.download;
  }

  override async load(handle: FileHandle, options: LoadOptions = {}): Promise<Uint8Array> {
    const bytes = await this.inner.load(handle, options);
    await wait(this.#download, bytes.length, options.signal);
    return bytes;
  }

  override async save(handle: FileHandle, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    await wait(this.#upload, body.length, signal);
    await this.inner.save(handle, body, signal);
  }
}

async function wait(limiter: RateLimiter | undefined, bytes: number, signal: AbortSignal | undefined): Promise<void> {
  const waitMs = limiter?.reserve(bytes) ?? 0;
  if (waitMs > 0) await pause(waitMs, signal);
}
