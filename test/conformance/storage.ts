/**
 * What every adapter and every wrapper of the server's Storage port has to do. Call `describeStorage` in the test file of
 * each; a wrapper that changes a rule names it in its exceptions.
 */
import { expect } from "chai";
import fc from "fast-check";
import { type ByteSelection, extentOf } from "../../server/storage/selection.ts";
import type { Repositories, Storage } from "../../server/storage/storage.ts";
import { CofferError, type ErrorCode, hasErrorCode } from "../../shared/errors.ts";
import { type FileType, fileTypes } from "../../shared/format/layout.ts";
import { sha256, type TestObject, testBytes, testObject } from "../support/stored-files.ts";

export interface StorageUnderTest {
  /** Empty repositories, anew for each test. */
  open(): Promise<Repositories>;
  close?(): Promise<void>;
  /** The same content again is not an error (VerifiedStorage). */
  readonly acceptsSameContent?: boolean;
  /** Of parallel uploads of the same content, those that were overtaken have to be sent again (UnverifiedStorage: it has not hashed them). */
  readonly repeatsOvertaken?: boolean;
  /** Only locks can be removed (AppendOnlyStorage). */
  readonly removesOnlyLocks?: boolean;
}

/** A body in pieces; each piece is a copy, because a storage may detach what it gets. */
export async function* bodyOf(content: Uint8Array, pieceBytes = 65_536): AsyncIterable<Uint8Array> {
  for (let offset = 0; offset < content.length; offset += pieceBytes) yield content.slice(offset, offset + pieceBytes);
}

export async function put(storage: Storage, object: TestObject): Promise<void> {
  await storage.put(object, bodyOf(object.content));
}

export async function readAll(
  storage: Storage,
  handle: Parameters<Storage["read"]>[0],
  selection?: ByteSelection,
): Promise<Buffer> {
  const content = await storage.read(handle, selection);
  try {
    const pieces: Uint8Array[] = [];
    for await (const chunk of content.chunks()) pieces.push(new Uint8Array(chunk));
    return Buffer.concat(pieces);
  } finally {
    await content.close();
  }
}

export async function listAll(storage: Storage, type: FileType): Promise<{ id: string; sizeBytes: number }[]> {
  const files: { id: string; sizeBytes: number }[] = [];
  for await (const batch of storage.list(type)) files.push(...batch);
  return files.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export async function expectError(action: Promise<unknown>, code: ErrorCode): Promise<CofferError> {
  try {
    await action;
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    expect(error.code, error.message).to.equal(code);
    return error;
  }
  throw new Error(`expected an error with the code ${code}`);
}

export function describeStorage(name: string, underTest: StorageUnderTest): void {
  describe(`${name} as a storage`, () => {
    let repositories: Repositories;
    let storage: Storage;

    beforeEach(async () => {
      repositories = await underTest.open();
      storage = repositories.at(["repository"]);
    });

    afterEach(() => underTest.close?.());

    describe("create", () => {
      it("makes empty places for all types, again and again", async () => {
        await storage.create();
        await storage.create();
        for (const type of fileTypes) expect(await listAll(storage, type)).to.deep.equal([]);
      });

      it("does not make a configuration", async () => {
        await storage.create();
        await expectError(storage.stat({ type: "config" }), "not-found");
      });

      it("makes repositories at every depth, apart from each other", async () => {
        const places = [[], ["first"], ["first", "second"], ["other"]];
        for (const folders of places) await repositories.at(folders).create();
        for (const folders of places) {
          const content = Buffer.from(`config of ${folders.join("/")}`);
          await repositories.at(folders).put({ type: "config" }, bodyOf(content));
        }
        for (const folders of places) {
          const content = await readAll(repositories.at(folders), { type: "config" });
          expect(content.toString()).to.equal(`config of ${folders.join("/")}`);
        }
      });
    });

    describe("names of repositories", () => {
      for (const folders of [
        [""],
        ["."],
        [".."],
        ["a", ".."],
        ["a/b"],
        ["a\0"],
        ["data"],
        ["config"],
        ["a", "locks"],
      ]) {
        it(`refuses ${JSON.stringify(folders)}`, async () => {
          await expectError((async () => repositories.at(folders).stat({ type: "config" }))(), "not-found");
        });
      }
    });

    describe("absent files and repositories", () => {
      it("are not found", async () => {
        const object = testObject("absent", 10);
        for (const isCreated of [false, true]) {
          if (isCreated) await storage.create();
          await expectError(storage.stat(object), "not-found");
          await expectError(storage.read(object), "not-found");
          await expectError(storage.read({ type: "config" }), "not-found");
        }
      });

      it("have no lists", async () => {
        for (const type of fileTypes) await expectError(listAll(storage, type), "not-found");
      });

      it("can be removed", async () => {
        await storage.remove(testObject("absent", 10, "locks"));
        await storage.create();
        await storage.remove(testObject("absent", 10, "locks"));
      });

      it("cannot take a configuration", async () => {
        await expectError(storage.put({ type: "config" }, bodyOf(Buffer.from("config"))), "not-found");
      });

      it("take objects", async () => {
        const object = testObject("early", 10);
        await put(storage, object);
        expect(await listAll(storage, "data")).to.deep.equal([{ id: object.id, sizeBytes: 10 }]);
      });
    });

    describe("put", () => {
      for (const type of fileTypes) {
        it(`stores ${type} of all sizes`, async () => {
          for (const sizeBytes of [0, 1, 65_535, 65_536, 65_537, 1_200_000]) {
            const object = testObject(`${type} ${sizeBytes}`, sizeBytes, type);
            await put(storage, object);
            expect(await storage.stat(object)).to.equal(sizeBytes);
            expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
          }
          expect(await listAll(storage, type)).to.have.length(6);
        });
      }

      it("stores the same whatever the pieces are", async () => {
        const content = testBytes("pieces", 5_000);
        const handle = { type: "locks", id: sha256(content) } as const;
        const cutPlaces = fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 30 });
        const property = fc.asyncProperty(cutPlaces, async (cuts) => {
          await storage.put(handle, piecesOf(content, cuts));
          expect((await readAll(storage, handle)).equals(content)).to.equal(true);
          await storage.remove(handle);
        });
        await fc.assert(property, { numRuns: 20 });
      });

      it("stores a body of a thousand bytes in single bytes", async () => {
        const object = testObject("bytes", 3_000);
        await storage.put(object, bodyOf(object.content, 1));
        expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
      });

      it("shows nothing before the body has ended", async () => {
        const object = testObject("late", 1_500_000);
        async function* watchedBody(): AsyncIterable<Uint8Array> {
          for await (const piece of bodyOf(object.content)) {
            await expectError(storage.stat(object), "not-found");
            yield piece;
          }
        }
        await storage.put(object, watchedBody());
        expect(await storage.stat(object)).to.equal(1_500_000);
      });

      for (const failingAtBytes of [0, 1, 65_536, 700_000, 1_500_000]) {
        it(`leaves nothing when the body throws after ${failingAtBytes} bytes, and passes the error on`, async () => {
          const object = testObject("failing", 1_500_000);
          const failure = new CofferError("cancelled", "the client went away");
          async function* failingBody(): AsyncIterable<Uint8Array> {
            yield* bodyOf(object.content.subarray(0, failingAtBytes));
            throw failure;
          }
          expect(await expectError(storage.put(object, failingBody()), "cancelled")).to.equal(failure);
          await expectError(storage.stat(object), "not-found");
          await expectError(listAll(storage, "data"), "not-found");
          await put(storage, object);
          expect(await listAll(storage, "data")).to.have.length(1);
          expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
        });
      }

      it("never replaces a configuration", async () => {
        await storage.create();
        await storage.put({ type: "config" }, bodyOf(Buffer.from("first")));
        await expectError(storage.put({ type: "config" }, bodyOf(Buffer.from("second"))), "already-exists");
        await expectError(storage.put({ type: "config" }, bodyOf(Buffer.from("first"))), "already-exists");
        expect((await readAll(storage, { type: "config" })).toString()).to.equal("first");
      });

      it("never replaces an object", async () => {
        for (const type of fileTypes) {
          for (const sizeBytes of [20, 1_500_000]) {
            const object = testObject(`${type} first`, sizeBytes, type);
            await put(storage, object);
            const other = bodyOf(testBytes("second", sizeBytes));
            await expectError(storage.put(object, other), "already-exists");
            expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
          }
        }
      });

      it(`${underTest.acceptsSameContent ? "accepts" : "refuses"} the same content again`, async () => {
        for (const sizeBytes of [0, 20, 1_500_000]) {
          const object = testObject("again", sizeBytes);
          await put(storage, object);
          if (underTest.acceptsSameContent) await put(storage, object);
          else await expectError(put(storage, object), "already-exists");
          expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
        }
      });

      it("lets one of many parallel uploads of one object win, and no other error come up", async () => {
        for (const sizeBytes of [30, 900_000]) {
          const object = testObject("parallel", sizeBytes);
          const results = await Promise.allSettled(Array.from({ length: 8 }, () => put(storage, object)));
          const failures = results.filter((result) => result.status === "rejected").map((result) => result.reason);
          const allowed = underTest.repeatsOvertaken ? "unavailable" : "already-exists";
          expect(failures.every((reason) => hasErrorCode(reason, allowed))).to.equal(true);
          expect(failures.length).to.be.lessThan(8);
          if (underTest.repeatsOvertaken) await Promise.all(failures.map(() => put(storage, object)));
          else if (underTest.acceptsSameContent) expect(failures).to.deep.equal([]);
          expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
        }
        expect(await listAll(storage, "data")).to.have.length(2);
      });

      it("does not let an aborted upload take away a finished one", async () => {
        const object = testObject("aborted", 900_000);
        let abort: (() => void) | undefined;
        const stalled = new Promise<never>((_, reject) => {
          abort = () => reject(new CofferError("cancelled", "aborted"));
        });
        async function* stallingBody(): AsyncIterable<Uint8Array> {
          yield object.content.slice(0, 600_000);
          yield await stalled;
        }
        const first = expectError(storage.put(object, stallingBody()), "cancelled");
        await put(storage, object);
        abort?.();
        await first;
        expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
        expect(await listAll(storage, "data")).to.have.length(1);
      });
    });

    describe("read", () => {
      const object = testObject("ranges", 600_000);

      beforeEach(() => put(storage, object));

      it("gives every selection clipped to the file, as extentOf says", async () => {
        const position = fc.oneof(fc.integer({ min: 0, max: 700_000 }), fc.constantFrom(0, 262_144, 599_999, 600_000));
        const selections = fc.oneof(
          fc.record({ suffixBytes: position }),
          fc.record({ firstByte: position }),
          fc.tuple(position, position).map(([a, b]) => ({ firstByte: Math.min(a, b), lastByte: Math.max(a, b) })),
        );
        await fc.assert(
          fc.asyncProperty(selections, async (selection) => {
            const extent = extentOf(selection, object.content.length);
            if (extent === undefined) {
              const error = await expectError(storage.read(object, selection), "out-of-range");
              expect(error.data["totalBytes"]).to.equal(object.content.length);
              return;
            }
            const { offsetBytes, lengthBytes } = extent;
            const content = await storage.read(object, selection);
            await content.close();
            expect(content).to.include({ offsetBytes, lengthBytes, totalBytes: object.content.length });
            const expected = object.content.subarray(offsetBytes, offsetBytes + lengthBytes);
            expect((await readAll(storage, object, selection)).equals(expected)).to.equal(true);
          }),
          { numRuns: 40 },
        );
      });

      it("takes an empty file whole, whatever is selected", async () => {
        const empty = testObject("empty", 0);
        await put(storage, empty);
        for (const selection of [undefined, { firstByte: 0 }, { firstByte: 5, lastByte: 9 }, { suffixBytes: 3 }]) {
          expect(await readAll(storage, empty, selection)).to.have.length(0);
        }
      });

      it("can be given up at any time, and closed twice", async () => {
        for (let i = 0; i < 100; i++) {
          const unread = await storage.read(object);
          await unread.close();
          await unread.close();
          const begun = await storage.read(object);
          for await (const _chunk of begun.chunks()) break;
          await begun.close();
        }
        expect((await readAll(storage, object)).equals(object.content)).to.equal(true);
      });

      it("serves many at a time without mixing them up", async () => {
        const objects = Array.from({ length: 20 }, (_, i) => testObject(`many ${i}`, 100_000 + 40_000 * i));
        for (const each of objects) await put(storage, each);
        const contents = await Promise.all(objects.map((each) => readAll(storage, each)));
        contents.forEach((content, i) => {
          expect(content.equals(objects[i]!.content)).to.equal(true);
        });
      });
    });

    describe("list", () => {
      it("gives every file once, with its size, whatever the number", async () => {
        const objects = Array.from({ length: 600 }, (_, i) => testObject(`listed ${i}`, 40 + (i % 97), "locks"));
        for (let i = 0; i < objects.length; i += 50) {
          await Promise.all(objects.slice(i, i + 50).map((object) => put(storage, object)));
        }
        const expected = objects.map(({ id, content }) => ({ id, sizeBytes: content.length }));
        expect(await listAll(storage, "locks")).to.deep.equal(expected.sort((a, b) => (a.id < b.id ? -1 : 1)));
        await expectError(listAll(storage, "keys"), "not-found");
      });

      it("can be left early", async () => {
        await put(storage, testObject("left", 10, "keys"));
        for (let i = 0; i < 100; i++) {
          for await (const _batch of storage.list("keys")) break;
        }
        expect(await listAll(storage, "keys")).to.have.length(1);
      });
    });

    describe("remove", () => {
      it("makes a file absent, and its name free again", async () => {
        const object = testObject("removed", 1_000, "locks");
        for (let i = 0; i < 3; i++) {
          await put(storage, object);
          await storage.remove(object);
          await expectError(storage.stat(object), "not-found");
          expect(await listAll(storage, "locks")).to.deep.equal([]);
        }
      });

      for (const type of ["config", "data", "index", "keys", "snapshots"] as const) {
        it(`${underTest.removesOnlyLocks ? "refuses to remove" : "removes"} ${type}`, async () => {
          const handle = type === "config" ? ({ type } as const) : testObject("kept?", 30, type);
          const content = testBytes("kept?", 30);
          if (underTest.removesOnlyLocks) await expectError(storage.remove(handle), "forbidden");
          if (type === "config") await storage.create();
          await storage.put(handle, bodyOf(content));
          if (underTest.removesOnlyLocks) {
            await expectError(storage.remove(handle), "forbidden");
            expect((await readAll(storage, handle)).equals(content)).to.equal(true);
          } else {
            await storage.remove(handle);
            await expectError(storage.stat(handle), "not-found");
          }
        });
      }

      it("does not disturb who is reading the file", async () => {
        const object = testObject("read and removed", 900_000, "locks");
        await put(storage, object);
        const content = await storage.read(object);
        const pieces: Uint8Array[] = [];
        for await (const chunk of content.chunks()) {
          if (pieces.length === 0) await storage.remove(object);
          pieces.push(new Uint8Array(chunk));
        }
        await content.close();
        expect(Buffer.concat(pieces).equals(object.content)).to.equal(true);
      });
    });
  });
}

async function* piecesOf(content: Uint8Array, cuts: readonly number[]): AsyncIterable<Uint8Array> {
  const places = [0, ...[...cuts].sort((a, b) => a - b), content.length];
  for (let i = 1; i < places.length; i++) yield content.slice(places[i - 1], places[i]);
}
