import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { linkStatus, targetStatus } from "../../../client/platform/file-status.ts";
import { type SystemCalls, systemCalls } from "../../../client/platform/system-calls.ts";
import { groupId, groupName, userId, userName } from "../../../client/platform/users.ts";

describe("client/platform/system-calls", () => {
  let folder: string;
  let calls: SystemCalls;

  before(() => {
    calls = systemCalls();
    folder = mkdtempSync(join(tmpdir(), "coffer-system-calls-"));
  });

  after(() => rmSync(folder, { recursive: true }));

  const path = (name: string): Buffer => Buffer.from(join(folder, name));

  it("are complete on Linux and the same object each time", () => {
    expect(calls.limitation).to.equal(undefined);
    expect(systemCalls()).to.equal(calls);
  });

  it("sets, lists, reads and removes extended attributes as bytes", () => {
    const file = path("attributes");
    writeFileSync(file, "x");
    const values: [string, Buffer][] = [
      ["user.empty", Buffer.alloc(0)],
      ["user.bytes", Buffer.from([0, 255, 1, 254])],
      ["user.large", Buffer.alloc(3000, 7)],
    ];
    for (const [name, value] of values) calls.setXattr(file, Buffer.from(name), value);
    expect(calls.listXattrs(file).map(String)).to.have.members(values.map(([name]) => name));
    for (const [name, value] of values) expect(calls.getXattr(file, Buffer.from(name)).equals(value)).to.equal(true);
    calls.setXattr(file, Buffer.from("user.bytes"), Buffer.from("replaced"));
    expect(calls.getXattr(file, Buffer.from("user.bytes")).toString()).to.equal("replaced");
    calls.removeXattr(file, Buffer.from("user.bytes"));
    expect(calls.listXattrs(file).map(String)).to.have.members(["user.empty", "user.large"]);
  });

  it("names the error, the call and the path", () => {
    const file = path("no-attributes");
    writeFileSync(file, "x");
    expect(() => calls.getXattr(file, Buffer.from("user.absent")))
      .to.throw(/^ENODATA: .*lgetxattr '.*no-attributes'$/)
      .with.property("code", "ENODATA");
    expect(() => calls.listXattrs(path("absent")))
      .to.throw()
      .with.property("code", "ENOENT");
    expect(() => calls.removeXattr(file, Buffer.from("user.absent")))
      .to.throw()
      .with.property("code", "ENODATA");
    expect(() => calls.makeFifo(file, 0o600))
      .to.throw()
      .with.property("code", "EEXIST");
  });

  it("refuses a NUL inside a path or a name", () => {
    expect(() => calls.listXattrs(Buffer.from("/etc\0/passwd"))).to.throw("NUL");
    expect(() => calls.getXattr(path("no-attributes"), Buffer.from("user.a\0b"))).to.throw("NUL");
  });

  it("gives no attributes where the file system has none", () => {
    expect(calls.listXattrs(Buffer.from("/proc/self/status"))).to.deep.equal([]);
  });

  it("sets times to the nanosecond, before 1970 too, on a link or on its target", () => {
    const file = path("times");
    const link = path("times-link");
    writeFileSync(file, "x");
    symlinkSync("times", link);
    calls.utimensat(file, -1n, -1_500_000_001n, true);
    calls.utimensat(link, 1_700_000_000_123_456_789n, 1_600_000_000_987_654_321n, true);
    expect(linkStatus(file)).to.include({ atimeNs: -1n, mtimeNs: -1_500_000_001n });
    expect(linkStatus(link)).to.include({ atimeNs: 1_700_000_000_123_456_789n, mtimeNs: 1_600_000_000_987_654_321n });
    calls.utimensat(link, 5n, 6n, false);
    expect(targetStatus(link)).to.include({ atimeNs: 5n, mtimeNs: 6n });
    expect(linkStatus(link).mtimeNs).to.equal(1_600_000_000_987_654_321n);
  });

  it("makes pipes, and device files when it is root", () => {
    calls.makeFifo(path("pipe"), 0o640);
    expect(linkStatus(path("pipe"))).to.include({ type: "fifo", device: 0n });
    expect(lstatSync(path("pipe")).mode & 0o777 & ~0o640).to.equal(0);
    if (process.getuid?.() !== 0) {
      expect(() => calls.makeNode(path("device"), 0o020600, 259n))
        .to.throw()
        .with.property("code", "EPERM");
      return;
    }
    calls.makeNode(path("device"), 0o020600, 259n);
    expect(linkStatus(path("device"))).to.include({ type: "chardev", device: 259n });
  });

  it("takes paths that are not UTF-8", () => {
    const odd = Buffer.concat([path(""), Buffer.from("/\xff\xfe", "latin1")]);
    writeFileSync(odd, "x");
    calls.setXattr(odd, Buffer.from("user.a"), Buffer.from("b"));
    expect(calls.listXattrs(odd).map(String)).to.deep.equal(["user.a"]);
  });
});

describe("client/platform/users", () => {
  it("knows the own user and group as the system's tools do", () => {
    const { uid, gid, username } = userInfo();
    expect(userName(uid)).to.equal(username);
    expect(userId(username)).to.equal(uid);
    const group = execFileSync("id", ["-gn"], { encoding: "utf8" }).trim();
    expect(groupName(gid)).to.equal(group);
    expect(groupId(group)).to.equal(gid);
  });

  it("answers empty or undefined for what the system does not know, each time", () => {
    for (let round = 0; round < 2; round++) {
      expect(userName(4_000_000_123)).to.equal("");
      expect(groupName(4_000_000_123)).to.equal("");
      expect(userId("no-such-user-at-all")).to.equal(undefined);
      expect(groupId("no-such-group-at-all")).to.equal(undefined);
      expect(userId("")).to.equal(undefined);
    }
  });
});
