/** Counting again while uploads and removals go on: never less than the truth, and the truth when nothing happens meanwhile. */
import { expect } from "chai";
import fc from "fast-check";
import type { Removal, Reservation } from "../../../server/quota/ledger.ts";
import { quotaLimits } from "../../../server/quota/limits.ts";
import { LocalQuotaLedger } from "../../../server/quota/local-ledger.ts";
import type { Recount } from "../../../server/quota/recount.ts";
import { expectError } from "../../conformance/storage.ts";

describe("a recount", () => {
  let ledger: LocalQuotaLedger;

  beforeEach(() => {
    ledger = new LocalQuotaLedger(quotaLimits(1000, []));
  });

  function recount(...listed: readonly (readonly [readonly string[] | undefined, number])[]): void {
    const running = ledger.beginRecount();
    for (const [folders, bytes] of listed) running.record(folders, bytes);
    ledger.finishRecount();
  }

  function counts(): number[] {
    return [ledger.usedBytes, ledger.usedBy("a"), ledger.usedBy("b")];
  }

  it("takes the place of the old counts, and limits go by it", async () => {
    ledger.record(["a"], 600);
    ledger.record(undefined, 5);
    recount([["b"], 100], [["b"], 200], [undefined, 50]);
    expect(counts()).to.deep.equal([350, 0, 300]);
    const rest = await ledger.reserve("a", 650, "content");
    await expectError(ledger.reserve("a", 1, "content"), "out-of-space");
    await rest.settle(0);
    recount([["b"], 999], [undefined, 1]);
    await expectError(ledger.reserve("a", 1, "content"), "out-of-space");
  });

  it("keeps what is set aside for an upload that goes on", async () => {
    const failing = await ledger.reserve("a", 100, "content");
    const growing = await ledger.reserve("b", 10, "content");
    recount();
    expect(counts()).to.deep.equal([110, 100, 10]);
    await growing.grow(20);
    await failing.settle(0);
    await growing.settle(25);
    expect(counts()).to.deep.equal([25, 0, 25]);
    recount([["b"], 25]);
    expect(counts()).to.deep.equal([25, 0, 25]);
  });

  it("adds what was stored meanwhile, whether the list has it or not", async () => {
    const running = ledger.beginRecount();
    await (await ledger.reserve("a", 100, "content")).settle(80);
    await (await ledger.reserve("b", 50, "content")).settle(0);
    expect(counts(), "the old counts go on").to.deep.equal([80, 80, 0]);
    running.record(["a"], 80);
    ledger.finishRecount();
    expect(counts()).to.deep.equal([160, 160, 0]);
    recount([["a"], 80]);
    expect(counts()).to.deep.equal([80, 80, 0]);
  });

  it("takes nothing off for a removal that overlaps it, neither one that has ended nor one that goes on", async () => {
    ledger.record(["a"], 100);
    ledger.record(["b"], 100);
    const before = await ledger.beginRemoval("a", "data/x", "content");
    const running = ledger.beginRecount();
    const within = await ledger.beginRemoval("b", "data/y", "content");
    await within.end(30);
    expect(counts(), "the old counts go on").to.deep.equal([170, 100, 70]);
    running.record(["a"], 60);
    running.record(["b"], 70);
    ledger.finishRecount();
    await before.end(40);
    expect(counts()).to.deep.equal([130, 60, 70]);
    const after = await ledger.beginRemoval("a", "data/z", "content");
    await after.end(10);
    expect(counts()).to.deep.equal([120, 50, 70]);
  });

  it("that is abandoned leaves no trace", async () => {
    ledger.record(["a"], 100);
    const removal = await ledger.beginRemoval("a", "data/x", "content");
    const upload = await ledger.reserve("b", 10, "content");
    ledger.beginRecount().record(["a"], 1);
    await upload.settle(10);
    ledger.abandonRecount();
    await removal.end(40);
    expect(counts()).to.deep.equal([70, 60, 10]);
  });

  it("is the only one", () => {
    ledger.beginRecount();
    expect(() => ledger.beginRecount()).to.throw("another one is running");
    ledger.finishRecount();
    expect(() => ledger.finishRecount()).to.throw("was not begun");
    ledger.beginRecount();
  });

  it("goes by limits that were changed while it ran", async () => {
    const running = ledger.beginRecount();
    running.record(["a"], 300);
    ledger.useLimits(quotaLimits(300, []));
    ledger.finishRecount();
    await expectError(ledger.reserve("a", 1, "content"), "out-of-space");
  });

  it("lets locks that another server has removed be forgotten, unless something is beyond its limit", async () => {
    const mostUpkeep = 16_777_216;
    await (await ledger.reserve("a", mostUpkeep, "upkeep")).settle(mostUpkeep);
    recount([["a"], 1001]);
    await expectError(ledger.reserve("a", 1, "upkeep"), "out-of-space");
    recount([["a"], 1000]);
    await (await ledger.reserve("a", mostUpkeep, "upkeep")).settle(mostUpkeep);
    await expectError(ledger.reserve("a", 1, "upkeep"), "out-of-space");
  });
});

describe("recounts in any order of events", () => {
  for (const others of [false, true]) {
    const who = others ? "beside others that store and remove" : "of one server alone";
    it(`${who} never give less than is stored, and the truth when nothing happens meanwhile`, () => {
      const events = fc.array(
        fc.record({ event: fc.constantFrom(...(others ? allEvents : ownEvents)), file: fc.nat(fileCount - 1) }),
        { maxLength: 100, size: "max" },
      );
      return fc.assert(
        fc.asyncProperty(events, async (list) => {
          const scene = new Scene();
          for (const { event, file } of list) {
            await scene[event](file);
            scene.verify(others);
          }
          await scene.comeToRest();
          scene.verifyExact();
        }),
        { numRuns: 500 },
      );
    });
  }
});

const ownEvents = [
  "beginUpload",
  "uploadAppears",
  "endUpload",
  "beginRemoval",
  "fileVanishes",
  "endRemoval",
  "beginRecount",
  "listNext",
  "listNext",
  "finishRecount",
  "abandonRecount",
] as const;
const allEvents = [...ownEvents, "anotherStores", "anotherRemoves"] as const;
const fileCount = 5;
const repositories = ["a", "b/c"] as const;
const limitBytes = 25;

/** Files in a bucket, a server that counts them, and a list of the bucket that takes its time. Files have fixed sizes. */
class Scene {
  readonly #ledger = new LocalQuotaLedger(quotaLimits(limitBytes, []));
  readonly #stored = new Set<number>();
  readonly #uploads = new Map<number, { readonly reservation: Reservation; isStored: boolean }>();
  readonly #removals = new Map<number, { readonly removal: Removal; readonly sizeBytes: number; isGone: boolean }>();
  #recount: { readonly running: Recount; nextFile: number; unknownBytes: number } | undefined;
  /** What others have stored since the begin of the last recount that has finished: nobody could know. */
  #unknownBytes = 0;

  async beginUpload(file: number): Promise<void> {
    if (this.#uploads.has(file) || this.#stored.has(file)) return;
    const reserving = this.#ledger.reserve(repositoryOf(file), sizeOf(file), "content");
    const reservation = await reserving.catch(() => undefined);
    if (reservation !== undefined) this.#uploads.set(file, { reservation, isStored: false });
  }

  async uploadAppears(file: number): Promise<void> {
    const upload = this.#uploads.get(file);
    if (upload === undefined || this.#stored.has(file)) return;
    upload.isStored = true;
    this.#stored.add(file);
  }

  async endUpload(file: number): Promise<void> {
    const upload = this.#uploads.get(file);
    this.#uploads.delete(file);
    await upload?.reservation.settle(upload.isStored ? sizeOf(file) : 0);
  }

  /** Of a file whose upload is not known to have ended, nobody asks for the removal. */
  async beginRemoval(file: number): Promise<void> {
    if (this.#removals.has(file) || this.#uploads.has(file)) return;
    const removal = await this.#ledger.beginRemoval(repositoryOf(file), String(file), "content");
    this.#removals.set(file, { removal, sizeBytes: this.#stored.has(file) ? sizeOf(file) : 0, isGone: false });
  }

  async fileVanishes(file: number): Promise<void> {
    const removal = this.#removals.get(file);
    if (removal === undefined || removal.isGone || removal.sizeBytes === 0 || !this.#stored.has(file)) return;
    removal.isGone = true;
    this.#stored.delete(file);
  }

  async endRemoval(file: number): Promise<void> {
    const removal = this.#removals.get(file);
    this.#removals.delete(file);
    await removal?.removal.end(removal.isGone ? removal.sizeBytes : 0);
  }

  async beginRecount(): Promise<void> {
    this.#recount ??= { running: this.#ledger.beginRecount(), nextFile: 0, unknownBytes: 0 };
  }

  async listNext(): Promise<void> {
    if (this.#recount === undefined || this.#recount.nextFile >= fileCount) return;
    const file = this.#recount.nextFile;
    this.#recount.nextFile += 1;
    if (this.#stored.has(file)) this.#recount.running.record(repositoryOf(file).split("/"), sizeOf(file));
  }

  async finishRecount(): Promise<void> {
    if (this.#recount === undefined) return;
    while (this.#recount.nextFile < fileCount) await this.listNext();
    this.#ledger.finishRecount();
    this.#unknownBytes = this.#recount.unknownBytes;
    this.#recount = undefined;
  }

  async abandonRecount(): Promise<void> {
    this.#recount = undefined;
    this.#ledger.abandonRecount();
  }

  async anotherStores(file: number): Promise<void> {
    if (this.#stored.has(file)) return;
    this.#stored.add(file);
    this.#unknownBytes += sizeOf(file);
    if (this.#recount !== undefined) this.#recount.unknownBytes += sizeOf(file);
  }

  async anotherRemoves(file: number): Promise<void> {
    this.#stored.delete(file);
  }

  async comeToRest(): Promise<void> {
    for (let file = 0; file < fileCount; file++) {
      await this.endUpload(file);
      await this.endRemoval(file);
    }
    await this.abandonRecount();
    await this.beginRecount();
    await this.finishRecount();
  }

  verify(others: boolean): void {
    const neededBytes = this.#storedBytes() + this.#expectedBytes();
    expect(this.#ledger.usedBytes).to.be.at.least(neededBytes - this.#unknownBytes);
    if (!others) expect(neededBytes, "beyond the limit").to.be.at.most(limitBytes);
  }

  verifyExact(): void {
    expect(this.#ledger.usedBytes).to.equal(this.#storedBytes());
    for (const repository of repositories) {
      expect(this.#ledger.usedBy(repository)).to.equal(this.#storedBytes(repository));
    }
  }

  #storedBytes(repository?: string): number {
    const files = [...this.#stored].filter((file) => repository === undefined || repositoryOf(file) === repository);
    return files.reduce((sum, file) => sum + sizeOf(file), 0);
  }

  /** What may still be stored by uploads under way. */
  #expectedBytes(): number {
    return [...this.#uploads].reduce((sum, [file, { isStored }]) => sum + (isStored ? 0 : sizeOf(file)), 0);
  }
}

function repositoryOf(file: number): string {
  return repositories[file % repositories.length] ?? "";
}

/** All different, also in their sums: 1, 2, 4, 8... */
function sizeOf(file: number): number {
  return 2 ** file;
}
