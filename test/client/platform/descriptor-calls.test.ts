import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { descriptorCalls } from "../../../client/platform/descriptor-calls.ts";

describe("calls on open files", () => {
  let folder: string;
  let descriptor: number;
  const calls = descriptorCalls();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "coffer-descriptor-"));
    writeFileSync(join(folder, "file"), "content");
    descriptor = openSync(join(folder, "file"), "r+");
  });

  afterEach(() => {
    closeSync(descriptor);
    rmSync(folder, { recursive: true, force: true });
  });

  it("set times exactly, also before 1970 and after 2038", () => {
    for (const timeNs of [0n, -1n, -1_000_000_001n, 1_700_000_000_123_456_789n, 4_102_444_800_000_000_001n]) {
      calls.setTimes(descriptor, timeNs + 2n, timeNs);
      const status = statSync(join(folder, "file"), { bigint: true });
      expect([status.mtimeNs, status.atimeNs]).to.deep.equal([timeNs, timeNs + 2n]);
    }
  });

  it("list, get, set and remove attributes", () => {
    const name = Buffer.from("user.coffer-ü");
    calls.setXattr(descriptor, name, Buffer.from([0, 1, 255]));
    calls.setXattr(descriptor, Buffer.from("user.empty"), Buffer.alloc(0));
    const names = calls.listXattrs(descriptor).map((found) => found.toString());
    expect(names).to.include.members(["user.coffer-ü", "user.empty"]);
    expect([...calls.getXattr(descriptor, name)]).to.deep.equal([0, 1, 255]);
    expect(calls.getXattr(descriptor, Buffer.from("user.empty"))).to.have.length(0);
    calls.removeXattr(descriptor, name);
    expect(() => calls.getXattr(descriptor, name))
      .to.throw()
      .with.property("code", "ENODATA");
    expect(() => calls.removeXattr(descriptor, name)).to.throw(/ENODATA.*fremovexattr/);
  });

  it("refuse names with a NUL, and closed descriptors", () => {
    expect(() => calls.setXattr(descriptor, Buffer.from("user.a\0b"), Buffer.alloc(0))).to.throw(/NUL/);
    expect(() => calls.setTimes(-1, 0n, 0n))
      .to.throw()
      .with.property("code", "EBADF");
    expect(() => calls.listXattrs(-1))
      .to.throw()
      .with.property("code", "EBADF");
  });
});
