import { expect } from "chai";
import { CofferError } from "../../../shared/errors.ts";

import { RandomBytes } from "../../support/sample-data.ts";
import { actionsOf, BackupFixture } from "./backup-fixture.ts";

const mebibyte = 1024 * 1024;

async function* inPieces(content: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < content.length; offset += pieceBytes) {
    yield content.subarray(offset, offset + pieceBytes);
  }
}

describe("client/backup of a stream", function () {
  this.timeout(60_000);
  let fixture: BackupFixture;

  beforeEach(() => {
    fixture = new BackupFixture();
  });

  afterEach(() => fixture.remove());

  const save = (name: string, stream: AsyncIterable<Uint8Array>, options = {}) =>
    fixture.save({ targets: [], standardInput: { name, stream }, ...options });

  for (const [what, sizeBytes, pieceBytes] of [
    ["one byte", 1, 1],
    ["a few pieces", 100_000, 7],
    ["several segments", 45 * mebibyte + 17, 65536],
    ["exactly two segments in one piece", 32 * mebibyte, 32 * mebibyte],
  ] as const) {
    it(`stores ${what} as a file would be`, async () => {
      const content = new RandomBytes(what).next(sizeBytes);
      const { result, told } = await save("dump.sql", inPieces(content, pieceBytes), { uid: 12, gid: 34 });
      expect(told.failures).to.deep.equal([]);
      const node = (await fixture.nodesOf(result.tree)).get("/dump.sql");
      expect(node).to.deep.include({
        type: "file",
        mode: 0o644,
        uid: 12,
        gid: 34,
        user: "",
        inode: 0n,
        deviceId: 0n,
        links: 0,
        sizeBytes,
        mtime: "2024-03-01T10:00:00Z",
        atime: "2024-03-01T10:00:00Z",
        ctime: "2024-03-01T10:00:00Z",
      });
      expect((await fixture.contentOf(node)).equals(content)).to.equal(true);
      expect(told.bytesRead).to.equal(sizeBytes);

      // The same bytes from a file have the same chunks, so nothing is added.
      fixture.write("f", content);
      expect((await fixture.save()).result.summary.dataBlobs).to.equal(0);
    });
  }

  it("makes up the folders of the name", async () => {
    const run = await save("/a//b/../c/file", inPieces(Buffer.from("x"), 1));
    const nodes = await fixture.nodesOf(run.result.tree);
    expect([...nodes.keys()]).to.deep.equal(["/a/", "/a/c/", "/a/c/file"]);
    expect(nodes.get("/a/")?.mode).to.equal(2147484141);
    expect(actionsOf(run)).to.deep.equal(["new /a/", "new /a/c/", "new /a/c/file"]);
    expect((await fixture.parentOf(run)).paths).to.deep.equal(["/a/c/file"]);
  });

  it("compares with a parent, whatever paths that has", async () => {
    const first = await save("f", inPieces(Buffer.from("content"), 3));
    const parent = await fixture.parentOf(first);
    const equal = await save("f", inPieces(Buffer.from("content"), 2), { parent });
    expect(actionsOf(equal)).to.deep.equal(["unchanged /f"]);
    const other = await save("f", inPieces(Buffer.from("another"), 2), { parent });
    expect(actionsOf(other)).to.deep.equal(["modified /f"]);
  });

  it("writes a snapshot without the file when no byte comes, and counts a failure", async () => {
    const run = await save("stdin", inPieces(Buffer.alloc(0), 1));
    expect(run.told.failures).to.deep.equal(["archival: failed to save /stdin: read stdin: no data read"]);
    expect(run.result.failedItems).to.equal(1);
    expect(run.result.snapshotId).to.be.a("string");
    expect((await fixture.nodesOf(run.result.tree)).size).to.equal(0);
  });

  it("writes no snapshot when the stream fails", async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from("some data");
      throw new CofferError("source-unreadable", "Fatal: command failed: exit status 4");
    }
    const failure = await save("stdin", broken()).catch((error: unknown) => error);
    expect(failure).to.include({ message: "failed to save /stdin: Fatal: command failed: exit status 4" });
    expect(await fixture.count("snapshots")).to.equal(0);
  });

  it("ends at a raised signal although the stream never does", async () => {
    const controller = new AbortController();
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from("begin");
      controller.abort();
      await new Promise(() => undefined);
    }
    const options = { targets: [], standardInput: { name: "stdin", stream: endless() } };
    const failure = await fixture.save(options, { signal: controller.signal }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "cancelled" });
  });

  it("refuses a name without a component", async () => {
    for (const name of ["", "/", ".", "a/.."]) {
      const failure = await save(name, inPieces(Buffer.from("x"), 1)).catch((error: unknown) => error);
      expect(failure).to.include({ message: "failed to backup from stdin: invalid filename specified" });
    }
  });

  it("applies rules by name", async () => {
    const options = { rejectByPath: (path: Uint8Array) => Buffer.from(path).toString() === "/stdin" };
    const failure = await save("stdin", inPieces(Buffer.from("x"), 1), options).catch((error: unknown) => error);
    expect(failure).to.include({ message: "unable to save snapshot: snapshot is empty" });
  });
});
