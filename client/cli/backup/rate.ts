/**
 * How fast bytes are processed, over a sliding window of one-second buckets: long enough not to jump with every file,
 * short enough to notice that a line has become slow. Source: docs/cli.md, progress.
 */

const bucketMs = 1000;
const fewestBuckets = 20;
const fewestBytes = 100_000_000;
const oldestBucketMs = 2 * 60_000;

interface Bucket {
  readonly beginMs: number;
  bytes: number;
}

export class RateWindow {
  #buckets: Bucket[] = [];
  #bytes = 0;

  add(bytes: number, nowMs: number): void {
    const last = this.#buckets.at(-1);
    if (last !== undefined && nowMs - last.beginMs < bucketMs) last.bytes += bytes;
    else this.#buckets.push({ beginMs: nowMs, bytes });
    this.#bytes += bytes;
    this.#forgetOld(nowMs);
  }

  /** Bytes per second; 0 while too little is known. */
  bytesPerSecond(nowMs: number): number {
    const [first] = this.#buckets;
    if (first === undefined || nowMs <= first.beginMs) return 0;
    return (this.#bytes * 1000) / (nowMs - first.beginMs);
  }

  #forgetOld(nowMs: number): void {
    while (this.#buckets.length > fewestBuckets) {
      const [first] = this.#buckets;
      if (first === undefined) return;
      const isOld = nowMs - first.beginMs > oldestBucketMs;
      if (!isOld && this.#bytes - first.bytes < fewestBytes) return;
      this.#bytes -= first.bytes;
      this.#buckets.shift();
    }
  }
}
