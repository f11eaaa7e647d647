/**
 * What every Backend must do, adapter or wrapper alike. A suite calls `describeBackend` with a way to make an empty one.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { expect } from "chai";
import type { Backend, ByteRange } from "../../client/backends/backend.ts";
import { CofferError, type ErrorCode } from "../../shared/errors.ts";
import { configHandle, type FileHandle, type FileType, fileTypes, pathOf } from "../../shared/format/layout.ts";

export interface BackendFixture {
  readonly backend: Backend;
  cleanUp(): Promise<void>;
}

export interface ConformanceOptions {
  /** Sizes of the large files, in bytes; smaller for slow backends. */
  readonly largeSizes?: readonly number[];
  /** Why a file that exists is neither replaced in one step nor refused: rclone's server overwrites. */
  readonly overwritesBecause?: string;
}

export function idOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export function handleOf(content: Uint8Array, type: FileType = "data"): FileHandle & { readonly id: string } {
  return { type, id: idOf(content) };
}

/** Fails unless the work ends with one of our errors with this code, which is returned. */
export async function expectCode(code: ErrorCode, work: Promise<unknown>): Promise<CofferError> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) throw new Error(`expected the error ${code}, got a result`);
  if (!(outcome.error instanceof CofferError)) throw outcome.error;
  expect(outcome.error.code, outcome.error.message).to.equal(code);
  return outcome.error;
}

/** Contents that have caught other programs out: plain text, a name that looks like a path. */
const fixedContents = ["foobar", "test", "a much longer content than the others have", "foo/../../baz"];

export function describeBackend(
  name: string,
  make: () => Promise<BackendFixture>,
  options: ConformanceOptions = {},
): void {
  describe(`${name} as a Backend`, () => {
    let fixture: BackendFixture;
    let backend: Backend;

    before(async () => {
      fixture = await make();
      backend = fixture.backend;
      await backend.create();
    });

    afterEach(async () => {
      await removeEverything(backend);
    });

    after(async () => {
      await backend.close();
      await fixture.cleanUp();
    });

    it("says where it is and how much it can do at once", () => {
      expect(backend.location).to.be.a("string").and.not.equal("");
      expect(backend.connections).to.be.at.least(1);
    });

    it("is created again without harm, and has no config then", async () => {
      const content = randomBytes(100);
      await backend.save(handleOf(content), content);
      await backend.create();
      expect(await load(backend, handleOf(content))).to.deep.equal(content);
      await expectCode("not-found", backend.stat(configHandle));
    });

    it("keeps the config, which has no id", async () => {
      await expectCode("not-found", backend.load(configHandle));
      await expectCode("not-found", backend.stat(configHandle));
      const content = randomBytes(155);
      await backend.save(configHandle, content);
      expect(await load(backend, configHandle)).to.deep.equal(content);
      expect(await load(backend, configHandle, { offsetBytes: 3, lengthBytes: 17 })).to.deep.equal(
        content.subarray(3, 20),
      );
      expect(await backend.stat(configHandle)).to.equal(content.length);
      for (const type of fileTypes) expect(await backend.list(type), type).to.deep.equal([]);
      await backend.remove(configHandle);
      await expectCode("not-found", backend.load(configHandle));
    });

    for (const type of fileTypes) {
      it(`saves, shows, loads, lists and removes files of type ${type}`, async () => {
        await checkType(backend, type);
      });
    }

    it("loads exactly the ranges that are asked for", async () => {
      const content = randomBytes(randomInt(2000, 1_050_000));
      const handle = handleOf(content);
      await backend.save(handle, content);
      for (let round = 0; round < 50; round += 1) {
        const offsetBytes = randomInt(0, content.length);
        const lengthBytes = randomInt(1, content.length - offsetBytes + 1);
        const range = round % 5 === 0 ? { offsetBytes } : { offsetBytes, lengthBytes };
        const end = round % 5 === 0 ? content.length : offsetBytes + lengthBytes;
        const loaded = await load(backend, handle, range);
        expect(loaded.equals(content.subarray(offsetBytes, end)), JSON.stringify(range)).to.equal(true);
      }
    });

    it("refuses ranges that are not wholly inside the file", async () => {
      const content = randomBytes(5000);
      const handle = handleOf(content);
      await backend.save(handle, content);
      for (const offsetBytes of [4901, 4950, 5000, 5100]) {
        const range = { offsetBytes, lengthBytes: 100 };
        await expectCode("out-of-range", backend.load(handle, { range }));
        await expectCode("out-of-range", backend.load(handle, { range, into: new Uint8Array(100) }));
      }
      await expectCode("out-of-range", backend.load(handle, { range: { offsetBytes: 5000 } }));
      expect(await load(backend, handle, { offsetBytes: 4900, lengthBytes: 100 })).to.deep.equal(
        content.subarray(4900),
      );
    });

    it("keeps an empty file", async () => {
      const handle = handleOf(new Uint8Array(0));
      await backend.save(handle, new Uint8Array(0));
      expect(await backend.stat(handle)).to.equal(0);
      expect(await backend.load(handle)).to.have.length(0);
      expect(await backend.list("data")).to.deep.equal([{ id: handle.id, sizeBytes: 0 }]);
      await expectCode("out-of-range", backend.load(handle, { range: { offsetBytes: 0, lengthBytes: 1 } }));
    });

    it("saves, lists and removes many files at once", async () => {
      expect(await backend.list("data")).to.deep.equal([]);
      const contents = Array.from({ length: randomInt(20, 40) }, () => randomBytes(randomInt(55, 155)));
      await Promise.all(contents.map((content) => backend.save(handleOf(content), content)));
      const expected = contents.map((content) => ({ id: idOf(content), sizeBytes: content.length }));
      expect(await backend.list("data")).to.have.deep.members(expected);
      await Promise.all(contents.map((content) => backend.remove(handleOf(content))));
      expect(await backend.list("data")).to.deep.equal([]);
    });

    it("saves large files and loads them into memory given for them", async () => {
      for (const sizeBytes of options.largeSizes ?? [200_000, 1_048_576, 8_600_000]) {
        const content = randomBytes(sizeBytes);
        const handle = handleOf(content);
        // Packs lie in memory that threads share; a file may begin anywhere in it.
        const shared = new Uint8Array(new SharedArrayBuffer(sizeBytes + 100), 50, sizeBytes);
        shared.set(content);
        await backend.save(handle, shared);
        shared.fill(0);
        const into = new Uint8Array(new SharedArrayBuffer(sizeBytes + 1000));
        const loaded = await backend.load(handle, { into });
        expect(loaded.buffer).to.equal(into.buffer);
        expect(content.equals(loaded), `${sizeBytes} bytes`).to.equal(true);
        expect(await backend.stat(handle)).to.equal(sizeBytes);
        const range = { offsetBytes: 1000, lengthBytes: 70_000 };
        const part = await backend.load(handle, { range, into: into.subarray(5) });
        expect(content.subarray(1000, 71_000).equals(part)).to.equal(true);
      }
    });

    it("says so when the memory given is too small, and goes on working", async () => {
      const content = randomBytes(100_000);
      const handle = handleOf(content);
      await backend.save(handle, content);
      await expectCode("limit-exceeded", backend.load(handle, { into: new Uint8Array(99_999) }));
      expect(await load(backend, handle)).to.deep.equal(content);
    });

    it("does not keep the caller's memory", async () => {
      const content = randomBytes(1000);
      const handle = handleOf(content);
      const body = Uint8Array.from(content);
      await backend.save(handle, body);
      body.fill(0);
      const first = await backend.load(handle);
      first.fill(1);
      expect(await load(backend, handle)).to.deep.equal(content);
    });

    it("replaces a file, or says that it exists and leaves it alone", async () => {
      const handle = { type: "config" } as const;
      const [older, newer] = [randomBytes(300), randomBytes(200)];
      await backend.save(handle, older);
      if (backend.hasAtomicReplace || options.overwritesBecause) {
        await backend.save(handle, newer);
        expect(await load(backend, handle)).to.deep.equal(newer);
      } else {
        await expectCode("already-exists", backend.save(handle, newer));
        expect(await load(backend, handle)).to.deep.equal(older);
      }
    });

    it("finds nothing where nothing is, and removes it gladly", async () => {
      for (const type of fileTypes) {
        const handle = handleOf(randomBytes(10), type);
        await expectCode("not-found", backend.stat(handle));
        await expectCode("not-found", backend.load(handle));
        await expectCode("not-found", backend.load(handle, { range: { offsetBytes: 10, lengthBytes: 20 } }));
        await backend.remove(handle);
      }
    });

    it("ends with the cancellation when its signal is raised", async () => {
      const content = randomBytes(1000);
      const handle = handleOf(content);
      await backend.save(handle, content);
      const signal = AbortSignal.abort();
      await expectCode("cancelled", backend.create(signal));
      await expectCode("cancelled", backend.list("data", signal));
      await expectCode("cancelled", backend.stat(handle, signal));
      await expectCode("cancelled", backend.load(handle, { signal }));
      await expectCode("cancelled", backend.remove(handle, signal));
      const other = randomBytes(1000);
      await expectCode("cancelled", backend.save(handleOf(other), other, signal));
      expect(await backend.list("data")).to.deep.equal([{ id: handle.id, sizeBytes: 1000 }]);
      // A reason of ours, such as a lost lock, is what callers want to know.
      const reason = new CofferError("lock-lost", "the lock is lost");
      await expectCode("lock-lost", backend.stat(handle, AbortSignal.abort(reason)));
    });

    it("refuses handles and ranges that cannot be meant", async () => {
      const handle = handleOf(randomBytes(10));
      for (const id of ["", "abc", idOf(randomBytes(1)).toUpperCase(), `../${"0".repeat(61)}`]) {
        const wrong = { type: "data", id } as const;
        await expectCode("internal", backend.stat(wrong));
        await expectCode("internal", backend.load(wrong));
        await expectCode("internal", backend.save(wrong, new Uint8Array(1)));
        await expectCode("internal", backend.remove(wrong));
      }
      const ranges: ByteRange[] = [
        { offsetBytes: -1 },
        { offsetBytes: 0.5 },
        { offsetBytes: 0, lengthBytes: 0 },
        { offsetBytes: 0, lengthBytes: -5 },
      ];
      for (const range of ranges) await expectCode("internal", backend.load(handle, { range }));
    });
  });
}

async function checkType(backend: Backend, type: FileType): Promise<void> {
  const contents = fixedContents.map((text) => Buffer.from(text));
  for (const content of contents) {
    const handle = handleOf(content, type);
    await expectCode("not-found", backend.stat(handle));
    await expectCode("not-found", backend.load(handle));
    await backend.save(handle, content);
    expect(await load(backend, handle)).to.deep.equal(content);
    expect(await backend.stat(handle)).to.equal(content.length);
    const middle = { offsetBytes: 1, lengthBytes: content.length - 2 };
    expect(await load(backend, handle, middle)).to.deep.equal(content.subarray(1, -1));
    await backend.remove(handle);
    await expectCode("not-found", backend.stat(handle));
    await backend.save(handle, content);
  }
  const expected = contents.map((content) => ({ id: idOf(content), sizeBytes: content.length }));
  expect(await backend.list(type)).to.have.deep.members(expected);
  for (const other of fileTypes) if (other !== type) expect(await backend.list(other), other).to.deep.equal([]);
}

async function load(backend: Backend, handle: FileHandle, range?: ByteRange): Promise<Buffer> {
  return Buffer.from(await backend.load(handle, range === undefined ? {} : { range }));
}

async function removeEverything(backend: Backend): Promise<void> {
  for (const type of fileTypes) {
    const files = await backend.list(type);
    await Promise.all(files.map(({ id }) => backend.remove({ type, id })));
    expect(await backend.list(type), pathOf({ type, id: "" })).to.deep.equal([]);
  }
  await backend.remove(configHandle);
}
