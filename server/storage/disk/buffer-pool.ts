/** Buffers of one size that are used again, so that reading costs no garbage. */

export const pooledBufferBytes = 262_144;
const keptBuffers = 8;

const freeBuffers: Buffer[] = [];

export function takeBuffer(): Buffer {
  return freeBuffers.pop() ?? Buffer.allocUnsafeSlow(pooledBufferBytes);
}

/** Nobody may hold a view of the buffer any more. */
export function returnBuffer(buffer: Buffer): void {
  if (freeBuffers.length < keptBuffers) freeBuffers.push(buffer);
}
