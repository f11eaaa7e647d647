/** scrypt on this thread: PBKDF2 of Node around the kernel that mixes lanes. */
import { pbkdf2Sync } from "node:crypto";
import type { ScryptParameters } from "../../shared/format/provider.ts";
import { mixLanes, type ScryptModule } from "../../shared/kernels/scrypt-kernel.ts";

export function expandAndMix(
  module: ScryptModule,
  password: Uint8Array,
  salt: Uint8Array,
  parameters: ScryptParameters,
  lengthBytes: number,
): Uint8Array {
  const lanes = pbkdf2Sync(password, salt, 1, 128 * parameters.r * parameters.p, "sha256");
  mixLanes(module, lanes, parameters);
  return pbkdf2Sync(password, lanes, 1, lengthBytes, "sha256");
}
