/**
 * Locks and keys, between the repository code and the real restic, on one local disk: each must see the other's locks, keep
 * out of the way or not just as restic keeps out of restic's, and open the other's keys.
 */
import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { LocalBackend } from "../../client/platform/local-backend.ts";
import { systemClock } from "../../client/repository/clock.ts";
import { initializeRepository } from "../../client/repository/initialization.ts";
import { addKey, changePassword, listKeys, removeKey } from "../../client/repository/keys.ts";
import { loadLock } from "../../client/repository/lock-files.ts";
import { acquireLock, type HeldLock } from "../../client/repository/locks.ts";
import type { Repository } from "../../client/repository/repository.ts";
import { removeLocks } from "../../client/repository/unlock.ts";
import { isId } from "../../shared/format/layout.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import { maskMacR } from "../../shared/format/sealing.ts";
import { utcOffset } from "../../shared/format/time.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { cheapKey, failureOf, openAgain, testProvider } from "../support/memory-repository.ts";
import { expectExit, type ProgramRun, requirePrograms, runRestic } from "../support/programs.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A process number that no process has: the kernel gives out smaller ones. */
const deadPid = 2 ** 22 + 1;

/** Of restic 0.14, and of later versions. */
const lockedStatus = [1, 11];
const wrongPasswordStatus = [1, 12];

for (const version of [1, 2]) {
  describe(`interop: locks and keys, version ${version}`, function () {
    this.timeout(60_000);
    let folder: TemporaryFolder;
    let path: string;
    let repository: Repository;

    before(async function () {
      requirePrograms(this, "restic");
      folder = makeTemporaryFolder("locks");
      path = join(folder.path, "repository");
      repository = await initializeRepository(await LocalBackend.open(path), testProvider, { ...cheapKey, version });
      writeFileSync(join(folder.path, "other-password"), "other\n");
      writeFileSync(join(folder.path, "third-password"), "third\n");
    });

    after(() => folder?.remove());

    const restic = (parameters: readonly string[], password: string = cheapKey.password): Promise<ProgramRun> =>
      runRestic(["--no-cache", "-r", path, ...parameters], { env: { RESTIC_PASSWORD: password } });
    // Without files that are still being written.
    const lockIds = (): string[] => readdirSync(join(path, "locks")).filter(isId);

    async function hold(exclusive: boolean, options: { pid?: number; clock?: FakeClock } = {}): Promise<HeldLock> {
      const { pid = process.pid, clock = systemClock } = options;
      const owner = { hostname: hostname(), username: "tester", pid, uid: 1000, gid: 100 };
      const lock = await acquireLock(repository, { exclusive, owner, clock, zone: utcOffset });
      if (clock instanceof FakeClock) await clock.advance(200);
      await lock.confirmed;
      return lock;
    }

    it("restic waits outside for our exclusive lock, and names its owner", async () => {
      const lock = await hold(true);
      try {
        const run = await restic(["snapshots"]);
        expect(run.exitCode).to.be.oneOf(lockedStatus);
        expect(run.stderr).to.match(
          new RegExp(
            `repository is already locked exclusively by PID ${process.pid} on ${hostname()} by tester \\(UID 1000, GID 100\\)`,
          ),
        );
        expect(expectExit(await restic(["list", "locks"])).stdout.trim()).to.equal(lock.id);
        const shown = JSON.parse(expectExit(await restic(["--no-lock", "cat", "lock", lock.id ?? ""])).stdout);
        expect(shown).to.include({ exclusive: true, pid: process.pid, hostname: hostname(), uid: 1000, gid: 100 });
        expectExit(await restic(["--no-lock", "snapshots"]));
      } finally {
        await lock.release();
      }
      expectExit(await restic(["snapshots"]));
    });

    it("restic reads beside our shared lock, and does not remove anything", async () => {
      const lock = await hold(false);
      try {
        expectExit(await restic(["snapshots"]));
        const run = await restic(["prune"]);
        expect(run.exitCode).to.be.oneOf(lockedStatus);
        expect(run.stderr).to.contain(`repository is already locked by PID ${process.pid}`);
      } finally {
        await lock.release();
      }
      expectExit(await restic(["prune"]));
    });

    it("restic sees a lock that was refreshed", async () => {
      const clock = new FakeClock(Date.now());
      const lock = await hold(true, { clock });
      try {
        const first = lock.id;
        await clock.advance(5 * 60_000 + 2000);
        // The files are written in real time.
        await waitUntil(() => lock.id !== first && lockIds().length === 1);
        expect((await restic(["snapshots"])).exitCode).to.be.oneOf(lockedStatus);
      } finally {
        await lock.release();
      }
      expect(lockIds()).to.deep.equal([]);
    });

    it("restic's unlock leaves the lock of a living process alone and removes that of a dead one", async () => {
      // restic asks by SIGHUP whether the process lives.
      let hangups = 0;
      const onHangup = (): void => void hangups++;
      process.on("SIGHUP", onHangup);
      const living = await hold(false);
      const dead = await hold(false, { pid: deadPid });
      try {
        expectExit(await restic(["unlock"]));
        expect(lockIds()).to.deep.equal([living.id]);
        await waitUntil(() => hangups > 0);
      } finally {
        await dead.release();
        await living.release();
        process.off("SIGHUP", onHangup);
      }
    });

    it("a lock that restic removed while this machine slept is lost", async () => {
      const clock = new FakeClock(Date.now() - 40 * 60_000);
      const lock = await hold(false, { clock, pid: deadPid });
      expectExit(await restic(["unlock"]));
      expect(lockIds()).to.deep.equal([]);
      clock.suspend(40 * 60_000);
      expect(await failureOf(lock.admitWrite())).to.have.property("code", "lock-lost");
      expect(lockIds()).to.deep.equal([]);
    });

    it("we share the repository with a backup of restic, and do not lock it exclusively", async () => {
      const backup = spawn("restic", ["--no-cache", "-r", path, "backup", "--stdin"], {
        env: { ...process.env, RESTIC_PASSWORD: cheapKey.password },
        stdio: ["pipe", "ignore", "inherit"],
      });
      const ended = new Promise((resolve) => backup.once("close", resolve));
      try {
        await waitUntil(() => lockIds().length === 1);
        await (await hold(false)).release();
        const failure = await failureOf(hold(true));
        expect(failure).to.have.property("code", "locked");
        expect(failure.message).to.contain(`repository is already locked by PID ${backup.pid} on ${hostname()} by `);
        expect(lockIds()).to.have.length(1);
      } finally {
        backup.stdin.end("content");
        await ended;
      }
      expect(lockIds()).to.deep.equal([]);
      await (await hold(true)).release();
    });

    it("we are kept out by the exclusive lock that a killed restic left, until it is removed", async () => {
      const check = spawn("restic", ["--no-cache", "-r", path, "check"], {
        env: { ...process.env, RESTIC_PASSWORD: cheapKey.password },
        stdio: "ignore",
      });
      const ended = new Promise((resolve) => check.once("close", resolve));
      await waitUntil(() => lockIds().length === 1);
      check.kill("SIGKILL");
      await ended;
      const [id = ""] = lockIds();
      expect((await loadLock(repository, id)).lock).to.include({
        exclusive: true,
        pid: check.pid,
        hostname: hostname(),
      });
      const failure = await failureOf(hold(false));
      expect(failure.message).to.contain(`already locked exclusively by PID ${check.pid}`);
      const removed = await removeLocks(repository, {
        removeAll: false,
        nowMs: Date.now(),
        hostname: hostname(),
        isProcessAlive: (pid) => pid !== check.pid,
      });
      expect(removed).to.equal(1);
      await (await hold(true)).release();
    });

    it("restic opens the key that we add, and lists it as we do", async () => {
      const id = await addKey(repository, {
        ...cheapKey,
        password: "other",
        username: "john",
        hostname: "example.com",
      });
      const { stdout } = expectExit(await restic(["key", "list", "--json"], "other"));
      // restic 0.14 prints short ids, later versions whole ones.
      const listed = JSON.parse(stdout) as { current: boolean; id: string; userName: string; hostName: string }[];
      expect(listed.find(({ current }) => current)).to.include({
        userName: "john",
        hostName: "example.com",
      });
      const ours = await listKeys(repository);
      expect(ours.map((key) => key.id.slice(0, 8))).to.have.members(listed.map((key) => key.id.slice(0, 8)));
      expect(id.startsWith(listed.find(({ current }) => current)?.id ?? "none")).to.equal(true);
      await removeKey(repository, id);
      const refused = await restic(["snapshots"], "other");
      expect(refused.exitCode).to.be.oneOf(wrongPasswordStatus);
      expect(refused.stderr).to.contain("wrong password or no key found");
    });

    it("we open the key that restic adds, and restic removes one of ours", async () => {
      const ours = await addKey(repository, { ...cheapKey, password: "to be removed" });
      expectExit(await restic(["key", "add", "--new-password-file", join(folder.path, "third-password")]));
      const opened = await openAgain(repository.backend, { password: "third" });
      // restic stores `mac.r` as it is used, with the bits cleared that do not count.
      expect(masked(opened.masterKey)).to.deep.equal(masked(repository.masterKey));
      const key = (await listKeys(opened)).find(({ isCurrent }) => isCurrent);
      expect(key).to.include({ hostname: hostname(), kdf: "scrypt", r: 8 });
      expectExit(await restic(["key", "remove", ours], "third"));
      expect(await failureOf(openAgain(repository.backend, { password: "to be removed" }))).to.have.property(
        "code",
        "wrong-password",
      );
      await removeKey(repository, opened.keyId);
    });

    it("passwords changed by either open the repository for the other", async () => {
      const key = { ...cheapKey, password: "changed by us" };
      const id = await changePassword(repository, key);
      expect((await restic(["snapshots"])).exitCode).to.be.oneOf(wrongPasswordStatus);
      expectExit(await restic(["snapshots"], key.password));
      const change = ["key", "passwd", "--new-password-file", join(folder.path, "other-password")];
      expectExit(await restic(change, key.password));
      expect(await failureOf(openAgain(repository.backend, { password: key.password }))).to.have.property(
        "code",
        "wrong-password",
      );
      const opened = await openAgain(repository.backend, { password: "other" });
      expect(opened.keyId).not.to.equal(id);
      expect(opened.config).to.deep.equal(repository.config);
    });

    it("what was stored in all this is whole", async () => {
      expectExit(await restic(["check", "--read-data"], "other"));
      const opened = await openAgain(repository.backend, { password: "other" });
      await opened.loadIndex();
      const [snapshot] = await opened.listIds("snapshots");
      const [file] = await opened.loadTree((await opened.loadSnapshot(snapshot ?? "")).tree);
      const content = await opened.loadBlob("data", file?.content?.[0] ?? "");
      expect(new TextDecoder().decode(content)).to.equal("content");
    });
  });
}

function masked({ encrypt, mac }: SealingKey): SealingKey {
  return { encrypt, mac: { k: mac.k, r: maskMacR(mac.r) } };
}
