import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Readiness, type ReadinessSettings } from "../../../server/pages/readiness.ts";
import { DiskProbe } from "../../../server/storage/disk/disk-probe.ts";
import { newUploadName } from "../../../server/storage/disk/upload-names.ts";
import type { StorageProbe } from "../../../server/storage/probe.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../../support/temporary-folder.ts";
import { unfinishedUploads } from "../../support/unfinished-uploads.ts";

describe("Readiness", () => {
  let nowMs: number;
  let probes: number;
  let failure: string | undefined;
  let freeBytes: number;
  let logged: string[];

  beforeEach(() => {
    nowMs = 1_000_000;
    probes = 0;
    failure = undefined;
    freeBytes = 1_000;
    logged = [];
  });

  const probe: StorageProbe = {
    readiness: async () => {
      probes += 1;
      if (failure !== undefined) throw new Error(failure);
    },
    space: async () => ({ freeBytes, totalBytes: 10_000 }),
  };

  function readiness(settings: Partial<ReadinessSettings> = {}): Readiness {
    const log = (line: string): void => void logged.push(line);
    return new Readiness({ probe, minimumFreeBytes: 500, log, now: () => nowMs, ...settings });
  }

  it("asks the storage, and for five seconds not again, however many want to know", async () => {
    const ready = readiness();
    const reports = await Promise.all(Array.from({ length: 50 }, () => ready.check()));
    for (const report of reports) expect(report).to.deep.equal({ status: "ready", storage: "ok", space: "ok" });
    nowMs += 4_999;
    await ready.check();
    expect(probes).to.equal(1);
    nowMs += 1;
    await ready.check();
    expect(probes).to.equal(2);
  });

  it("says what is wrong, without telling strangers why, and the operator once", async () => {
    const ready = readiness();
    failure = "EROFS: read-only file system, open '/srv/secret'";
    for (let i = 0; i < 3; i++) {
      expect(await ready.check()).to.deep.equal({ status: "not-ready", storage: "failed", space: "ok" });
      nowMs += 5_000;
    }
    expect(logged).to.deep.equal([`Not ready: storage: ${failure}`]);
    failure = undefined;
    expect(await ready.check()).to.deep.equal({ status: "ready", storage: "ok", space: "ok" });
    expect(logged).to.have.length(2);
  });

  it("is not ready when less space is free than demanded", async () => {
    freeBytes = 499;
    expect(await readiness().check()).to.deep.equal({ status: "not-ready", storage: "ok", space: "low" });
    expect(logged).to.deep.equal(["Not ready: space: 499 bytes are free, expected at least 500"]);
    expect((await readiness({ minimumFreeBytes: 0 }).check()).status).to.equal("ready");
  });

  it("is ready when nobody knows how much is free", async () => {
    const unknown = { readiness: probe.readiness };
    expect(await readiness({ probe: unknown }).check()).to.deep.equal({
      status: "ready",
      storage: "ok",
      space: "unknown",
    });
  });

  it("does not wait for a storage that hangs, and does not ask it a second time meanwhile", async () => {
    let release: () => void = () => undefined;
    const hanging: StorageProbe = {
      readiness: () => {
        probes += 1;
        return new Promise((resolve) => {
          release = resolve;
        });
      },
    };
    const ready = readiness({ probe: hanging, deadlineMs: 20 });
    for (let i = 0; i < 3; i++) {
      expect((await ready.check()).storage).to.equal("failed");
      nowMs += 5_000;
    }
    expect(probes).to.equal(1);
    release();
    await new Promise((resolve) => setImmediate(resolve));
    const again = ready.check();
    await new Promise((resolve) => setImmediate(resolve));
    release();
    expect((await again).storage).to.equal("ok");
    expect(probes).to.equal(2);
  });
});

describe("DiskProbe", () => {
  let folder: TemporaryFolder;

  beforeEach(() => {
    folder = makeTemporaryFolder("probe");
  });

  afterEach(() => folder.remove());

  it("stores a file and leaves none, in a data folder that it makes if there is none", async () => {
    const data = join(folder.path, "not/yet/there");
    const probe = new DiskProbe(data);
    const before = await probe.space();
    expect(before.totalBytes).to.be.at.least(before.freeBytes);
    expect(before.freeBytes).to.be.greaterThan(0);
    expect(existsSync(data)).to.equal(false);
    await probe.readiness();
    expect(readdirSync(join(data, ".coffer/uploads"))).to.deep.equal([]);
  });

  it("gives its file a name by which the sweeps of other processes know that it is in use", async () => {
    const probe = new DiskProbe(folder.path);
    const seen = new Set<string>();
    while (seen.size === 0) {
      let isRunning = true;
      const probing = probe.readiness().finally(() => {
        isRunning = false;
      });
      while (isRunning) {
        for (const name of unfinishedUploads(folder.path)) seen.add(name);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await probing;
    }
    const [boot, number] = newUploadName().split("-");
    for (const name of seen) expect(name.split("-").slice(0, 2)).to.deep.equal([boot, number]);
  });

  it("fails when the folder cannot be written to", async () => {
    writeFileSync(join(folder.path, "file"), "");
    const error = await new DiskProbe(join(folder.path, "file")).readiness().then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).to.match(/ENOTDIR/);
  });
});
