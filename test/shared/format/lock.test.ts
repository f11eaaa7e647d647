import { expect } from "chai";
import fc from "fast-check";
import { encodeLock, type Lock, parseLock } from "../../../shared/format/lock.ts";

const lock: Lock = {
  time: "2024-01-02T03:04:05.6Z",
  exclusive: true,
  hostname: "h<1>",
  username: "root",
  pid: 123,
  uid: 1000,
  gid: 100,
};

describe("locks", () => {
  it("are written as restic writes them", () => {
    expect(encodeLock(lock)).to.equal(
      '{"time":"2024-01-02T03:04:05.6Z","exclusive":true,"hostname":"h\\u003c1\\u003e","username":"root","pid":123,"uid":1000,"gid":100}',
    );
    expect(encodeLock({ ...lock, uid: 0, gid: 0, exclusive: false })).to.equal(
      '{"time":"2024-01-02T03:04:05.6Z","exclusive":false,"hostname":"h\\u003c1\\u003e","username":"root","pid":123}',
    );
  });

  it("survive encoding and decoding", () => {
    fc.assert(
      fc.property(
        fc.record({
          exclusive: fc.boolean(),
          hostname: fc.string({ unit: "binary" }),
          username: fc.string({ unit: "binary" }),
          pid: fc.nat(),
          uid: fc.nat(0xffff_ffff),
          gid: fc.nat(0xffff_ffff),
        }),
        (fields) => {
          expect(parseLock(encodeLock({ ...lock, ...fields }))).to.deep.equal({ ...lock, ...fields });
        },
      ),
    );
  });

  it("are read with unknown keys", () => {
    expect(parseLock(encodeLock(lock).replace("{", '{"x":[],'))).to.deep.equal(lock);
  });

  for (const text of [
    "",
    "{}",
    "[]",
    '{"time":"x","exclusive":true}',
    '{"time":"2024-01-02T03:04:05Z","exclusive":1}',
    '{"time":"2024-01-02T03:04:05Z"}',
  ]) {
    it(`are not read from ${JSON.stringify(text)}`, () => {
      expect(() => parseLock(text))
        .to.throw()
        .with.property("code", "malformed");
    });
  }
});
