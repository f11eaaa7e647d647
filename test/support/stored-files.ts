/** Files for tests of storages and servers: objects whose names are the hashes of their content. */
import { createHash } from "node:crypto";
import type { FileType, Id } from "../../shared/format/layout.ts";

export interface TestObject {
  readonly type: FileType;
  readonly id: Id;
  readonly content: Uint8Array;
}

export function sha256(content: Uint8Array | string): Id {
  return createHash("sha256").update(content).digest("hex");
}

/** Bytes that differ from seed to seed and repeat from run to run. */
export function testBytes(seed: string, sizeBytes: number): Uint8Array {
  if (sizeBytes === 0) return new Uint8Array();
  return new Uint8Array(createHash("shake256", { outputLength: sizeBytes }).update(seed).digest());
}

export function testObject(seed: string, sizeBytes: number, type: FileType = "data"): TestObject {
  const content = testBytes(seed, sizeBytes);
  return { type, id: sha256(content), content };
}
