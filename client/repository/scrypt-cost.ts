/** The cost of guessing the password of a new key, measured so that opening it takes about half a second. Source: docs/format.md, section 2.3. */
import type { CryptoProvider, ScryptParameters } from "../../shared/format/provider.ts";
import { sealingKeyBytes } from "../../shared/format/sealing.ts";

const targetMs = 500;
/** The largest power of two with 128 * r * N below 60 MiB. */
const initialN = 32768;
const blockSize = 8;
const saltBytes = 64;

/**
 * Measures scrypt and returns parameters that take about 500 ms. `nowMs` is a monotonic clock. A provider that works on several
 * lanes at once is measured with one lane first, so the keys are of a cost that other programs, which have one lane, can bear.
 */
export async function calibrateScrypt(provider: CryptoProvider, nowMs: () => number): Promise<ScryptParameters> {
  const measure = async (parameters: ScryptParameters): Promise<number> => {
    const begunMs = nowMs();
    await provider.scrypt(new Uint8Array(8), provider.randomBytes(saltBytes), parameters, sealingKeyBytes);
    return Math.max(1, nowMs() - begunMs);
  };
  let N = initialN;
  let elapsedMs = await measure({ N, r: blockSize, p: 1 });
  while (elapsedMs > targetMs && N > 2) {
    N /= 2;
    elapsedMs = await measure({ N, r: blockSize, p: 1 });
  }
  let p = Math.max(1, Math.floor(targetMs / elapsedMs));
  while (p > 1) {
    elapsedMs = await measure({ N, r: blockSize, p });
    if (elapsedMs <= targetMs) break;
    p = Math.max(1, Math.min(p - 1, Math.floor(targetMs / (elapsedMs / p))));
  }
  return { N, r: blockSize, p };
}
