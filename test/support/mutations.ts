/** Damage for tests that must fail: all single-bit flips and all truncations of small data, and samples of large. */

/** Copies of the data with one bit flipped: every bit, or about `limit` of them, evenly spread. */
export function* bitFlips(data: Uint8Array, limit: number = Number.POSITIVE_INFINITY): Generator<Uint8Array> {
  const bits = 8 * data.length;
  const step = Math.max(1, Math.floor(bits / limit));
  for (let bit = 0; bit < bits; bit += step) {
    const damaged = Uint8Array.from(data);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield damaged;
  }
}

/** Copies of the data that end early: at every length from 0 to one less, or at about `limit` of them. */
export function* truncations(data: Uint8Array, limit: number = Number.POSITIVE_INFINITY): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(data.length / limit));
  for (let length = 0; length < data.length; length += step) yield data.slice(0, length);
}
