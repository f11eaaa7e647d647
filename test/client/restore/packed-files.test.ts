import { expect } from "chai";
import fc from "fast-check";
import type { FileToWrite } from "../../../client/restore/file-tasks.ts";
import { packFiles, unpackFiles } from "../../../client/restore/packed-files.ts";

const byteText = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString("latin1").replaceAll("/", "_").replaceAll("\0", "_"));
const uint32 = fc.nat(0xffff_ffff);
const timeNs = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n });
const bytes = fc.uint8Array({ maxLength: 10 });

const file: fc.Arbitrary<FileToWrite> = fc.record({
  number: fc.maxSafeNat(),
  slot: uint32,
  folder: fc.oneof(fc.constant(""), byteText),
  name: byteText,
  creates: fc.boolean(),
  isNew: fc.boolean(),
  leavesHoles: fc.boolean(),
  finalSizeBytes: fc.option(fc.maxSafeNat(), { nil: undefined }),
  metadata: fc.record({
    uid: uint32,
    gid: uint32,
    mode: fc.nat(0o7777),
    atimeNs: timeNs,
    mtimeNs: timeNs,
    xattrs: fc.array(fc.record({ name: bytes, value: bytes }), { maxLength: 2 }),
    removesOtherXattrs: fc.boolean(),
  }),
});

describe("packed files", () => {
  it("come back as they were, through a message too", () => {
    fc.assert(
      fc.property(fc.array(file, { maxLength: 20 }), (files) => {
        expect(unpackFiles(structuredClone(packFiles(files)))).to.deep.equal(files);
      }),
    );
  });
});
