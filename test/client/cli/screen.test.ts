import { expect } from "chai";
import { BackupProgress } from "../../../client/cli/backup/progress.ts";
import { RateWindow } from "../../../client/cli/backup/rate.ts";
import { Output, type Verbosity } from "../../../client/cli/output.ts";
import { OutputQueue, type WriteCallback } from "../../../client/cli/output-queue.ts";
import { HiddenLine } from "../../../client/cli/password/prompt.ts";
import { Counter, formatCounter, updateIntervalMs } from "../../../client/cli/progress.ts";
import { progressLine, summaryLine } from "../../../client/cli/restore/report.ts";
import { noScreen, type Screen, Terminal } from "../../../client/cli/terminal.ts";

const clear = "\r\x1b[2K";
const up = "\x1b[1A";

/** A queue whose writes are kept, and a terminal or a pipe in front of it. */
function makeOutput(screen: Partial<Screen> = {}, verbosity: Verbosity = 1, isJson = false) {
  const written = { 1: "", 2: "" };
  const queue = new OutputQueue({
    write: (stream, bytes, done) => {
      written[stream] += Buffer.from(bytes).toString();
      done(null, bytes.length);
    },
  });
  const terminal = new Terminal(queue, { ...noScreen, ...screen });
  const output = new Output({ queue, terminal, verbosity, isJson });
  return { queue, terminal, output, written };
}

const colour: Partial<Screen> = { isTerminal: true, canUpdate: true, width: () => 20 };

describe("the terminal", () => {
  it("prints plain lines on a pipe", async () => {
    const { terminal, queue, written } = makeOutput();
    terminal.print("a");
    terminal.printError("b");
    terminal.printBytes(Uint8Array.of(0x63));
    await queue.drained();
    expect(written).to.deep.equal({ 1: "a\nc\n", 2: "b\n" });
  });

  it("clears the line in front of a message", async () => {
    const { terminal, queue, written } = makeOutput(colour);
    terminal.print("one\ntwo");
    terminal.printError("three");
    await queue.drained();
    expect(written).to.deep.equal({ 1: `${clear}one\ntwo\n`, 2: `${clear}three\n` });
  });

  it("does not on a dumb terminal", async () => {
    const { terminal, queue, written } = makeOutput({ isTerminal: true });
    terminal.print("one");
    await queue.drained();
    expect(written[1]).to.equal("one\n");
  });

  it("draws status lines, cuts them, draws them again below messages, and clears them", async () => {
    const { terminal, queue, written } = makeOutput(colour);
    const next = async (): Promise<string> => {
      await queue.drained();
      const text = written[1];
      written[1] = "";
      return text;
    };
    terminal.setStatus(["0123456789012345678901234", "second"]);
    expect(await next()).to.equal(`${clear}012345678901234567\n${clear}second\r${up}`);
    terminal.setStatus(["first"]);
    expect(await next()).to.equal(`${clear}first\n${clear}\r${up}`);
    terminal.print("message");
    expect(await next()).to.equal(`${clear}message\n${clear}first\r`);
    terminal.clearStatus();
    expect(await next()).to.equal(`${clear}\r`);
    terminal.clearStatus();
    expect(await next()).to.equal("");
  });

  it("prints changed status lines on a pipe, and nothing to clear them", async () => {
    const { terminal, queue, written } = makeOutput();
    terminal.setStatus(["a", "b"]);
    terminal.setStatus(["a", "b"]);
    terminal.setStatus(["c"]);
    terminal.clearStatus();
    await queue.drained();
    expect(written[1]).to.equal("a\nb\nc\n");
  });

  it("leaves the screen alone in the background", async () => {
    let isForeground = false;
    const { terminal, queue, written } = makeOutput({ ...colour, isForeground: () => isForeground });
    terminal.setStatus(["hidden"]);
    await queue.drained();
    expect(written[1]).to.equal("");
    isForeground = true;
    terminal.setStatus(["shown"]);
    await queue.drained();
    expect(written[1]).to.equal(`${clear}shown\r`);
  });
});

describe("the output", () => {
  const said = async (verbosity: Verbosity, isJson: boolean, isTerminal: boolean): Promise<string> => {
    const { output, queue, written } = makeOutput({ isTerminal }, verbosity, isJson);
    output.result("S");
    output.normal("P");
    output.terminalOnly("T");
    output.verbose("V");
    output.veryVerbose("W");
    output.error("E");
    await queue.drained();
    expect(written[2]).to.equal("E\n");
    return written[1].replaceAll("\n", "");
  };

  it("shows what its level allows", async () => {
    expect(await said(0, false, true)).to.equal("S");
    expect(await said(1, false, false)).to.equal("SP");
    expect(await said(1, false, true)).to.equal("SPT");
    expect(await said(2, false, false)).to.equal("SPV");
    expect(await said(3, false, false)).to.equal("SPVW");
    expect(await said(3, true, true)).to.equal("S");
  });
});

describe("the queue of output", () => {
  it("keeps the order across both streams and joins what goes to the same", async () => {
    const writes: string[] = [];
    const queue = new OutputQueue({
      write: (stream, bytes, done) => {
        writes.push(`${stream}:${Buffer.from(bytes)}`);
        setImmediate(() => done(null, bytes.length));
      },
    });
    for (const text of ["a", "b"]) queue.write(1, text);
    queue.write(2, "c");
    queue.write(1, "d");
    queue.write(1, "");
    await queue.drained();
    expect(writes).to.deep.equal(["1:ab", "2:c", "1:d"]);
  });

  it("goes on after short writes, full pipes and interruptions", async () => {
    let text = "";
    const failures = ["EAGAIN", "EINTR"];
    const queue = new OutputQueue({
      write: (_stream, bytes, done) => {
        const code = failures.pop();
        if (code !== undefined) done(Object.assign(new Error(code), { code }), 0);
        else {
          text += Buffer.from(bytes.subarray(0, 2));
          done(null, Math.min(2, bytes.length));
        }
      },
    });
    queue.write(1, "abcde");
    await queue.drained();
    expect(text).to.equal("abcde");
    expect(queue.failure).to.equal(undefined);
  });

  it("tells once that the reader has gone, and forgets what waits for it", async () => {
    let closed = 0;
    const written: number[] = [];
    const queue = new OutputQueue({
      onClosed: () => {
        closed += 1;
      },
      write: (stream, bytes, done) => {
        written.push(stream);
        if (stream === 1) done(Object.assign(new Error("EPIPE"), { code: "EPIPE" }), 0);
        else done(null, bytes.length);
      },
    });
    queue.write(1, "a");
    queue.write(2, "b");
    queue.write(1, "c");
    await queue.drained();
    queue.write(1, "d");
    await queue.drained();
    expect(written).to.deep.equal([1, 2]);
    expect(closed).to.equal(1);
    expect(queue.isClosed).to.equal(true);
    expect(queue.failure).to.equal(undefined);
  });

  it("remembers any other failure", async () => {
    const queue = new OutputQueue({
      write: (_stream, _bytes, done) => done(Object.assign(new Error("no space"), { code: "ENOSPC" }), 0),
    });
    queue.write(1, "a");
    await queue.drained();
    expect(queue.failure?.message).to.equal("no space");
  });

  it("holds producers back while much is waiting", async () => {
    const callbacks: (() => void)[] = [];
    const queue = new OutputQueue({
      write: (_stream, bytes, done: WriteCallback) => {
        callbacks.push(() => done(null, bytes.length));
      },
    });
    await queue.ready();
    for (let count = 0; count < 40; count++) queue.write(1, Buffer.alloc(1 << 16));
    let isReady = false;
    const ready = queue.ready().then(() => {
      isReady = true;
    });
    await new Promise(setImmediate);
    expect(isReady).to.equal(false);
    expect(queue.isBusy).to.equal(true);
    const drain = setInterval(() => callbacks.shift()?.(), 0);
    await ready;
    await queue.drained();
    clearInterval(drain);
  });
});

describe("progress", () => {
  it("is updated as often as terminal, JSON and environment ask", () => {
    const rate = { environment: {}, canUpdate: false, isJson: false, isQuiet: false };
    expect(updateIntervalMs(rate)).to.equal(undefined);
    expect(updateIntervalMs({ ...rate, canUpdate: true })).to.equal(100);
    expect(updateIntervalMs({ ...rate, canUpdate: true, isQuiet: true })).to.equal(undefined);
    expect(updateIntervalMs({ ...rate, isJson: true })).to.equal(100);
    const withRate = (text: string) => updateIntervalMs({ ...rate, environment: { RESTIC_PROGRESS_FPS: text } });
    expect(withRate("2")).to.equal(500);
    expect(withRate("1000")).to.be.closeTo(1000 / 60, 0.01);
    expect(withRate("0.016666")).to.be.closeTo(60_000, 10);
    for (const text of ["0", "-1", "x", ""]) expect(withRate(text), text).to.equal(undefined);
  });

  it("shows counters with and without a total", () => {
    expect(formatCounter(3000, 17, 40, "packs processed")).to.equal("[0:03] 42.50%  17 / 40 packs processed");
    expect(formatCounter(0, 5, 5, "snapshots")).to.equal("[0:00] 100.00%  5 / 5 snapshots");
    expect(formatCounter(3000, 17, 0, "index files loaded")).to.equal("[0:03]          17 index files loaded");
    expect(formatCounter(0, 0, 0, "snapshots")).to.equal("[0:00]          0 snapshots");
  });

  it("prints a counter for good when it is finished, and nothing when it is quiet", async () => {
    const { output, queue, written } = makeOutput();
    const counter = new Counter(output, "packs", undefined, 2);
    counter.set(2);
    counter.finish();
    await queue.drained();
    expect(written[1]).to.equal("[0:00] 100.00%  2 / 2 packs\n");
    const quiet = makeOutput({}, 0);
    new Counter(quiet.output, "packs", 1).finish();
    await quiet.queue.drained();
    expect(quiet.written[1]).to.equal("");
  });

  it("shows a counter at once on SIGUSR1", async () => {
    const { output, queue, written } = makeOutput();
    const counter = new Counter(output, "packs", undefined, 4);
    counter.set(1);
    process.kill(process.pid, "SIGUSR1");
    while (written[1] === "") await new Promise(setImmediate);
    counter.abandon();
    await queue.drained();
    expect(written[1]).to.equal("[0:00] 25.00%  1 / 4 packs\n");
    expect(process.listenerCount("SIGUSR1")).to.equal(0);
  });

  it("measures the rate over a window that slides", () => {
    const rate = new RateWindow();
    expect(rate.bytesPerSecond(0)).to.equal(0);
    for (let second = 0; second < 10; second++) rate.add(1000, second * 1000);
    expect(rate.bytesPerSecond(10_000)).to.equal(1000);
    // A fast beginning is forgotten once there are twenty buckets and 100 MB behind it.
    const changing = new RateWindow();
    for (let second = 0; second < 100; second++) changing.add(second < 50 ? 100e6 : 10e6, second * 1000);
    expect(changing.bytesPerSecond(100_000)).to.be.closeTo(10e6, 1e6);
  });

  describe("of a backup", () => {
    /** As the system has it, and as a backup names it. */
    const bytes = (name: string): Buffer => Buffer.from(name);
    const path = (name: string): string => bytes(name).toString("latin1");

    it("shows counts, then totals, then percent and remaining time, and the files in work", () => {
      let nowMs = 0;
      const { output } = makeOutput();
      const progress = new BackupProgress(output, { updateIntervalMs: undefined, nowMs: () => nowMs });
      progress.fileStarted(path("/b"));
      progress.fileStarted(path("/a\xff"));
      progress.bytesRead(3 * 1024 * 1024);
      nowMs = 1000;
      expect(progress.lines()).to.deep.equal(["[0:01] 0 files, 3.000 MiB, 0 errors", "/aÿ", "/b"]);
      progress.scanned(40, 6 * 1024 * 1024, false);
      expect(progress.lines()[0]).to.equal("[0:01] 0 files 3.000 MiB, total 40 files 6.000 MiB, 0 errors");
      progress.scanned(40, 6 * 1024 * 1024, true);
      progress.fileFinished(path("/b"));
      progress.failed(bytes("/c"));
      expect(progress.lines()).to.deep.equal([
        "[0:01] 50.00%  1 files 3.000 MiB, total 40 files 6.000 MiB, 1 errors ETA 0:01",
        "/aÿ",
      ]);
      progress.bytesRead(3 * 1024 * 1024);
      expect(progress.lines()[0]).to.equal("[0:01] 1 files 6.000 MiB, total 40 files 6.000 MiB, 1 errors");
      progress.stop();
    });

    it("takes a failed file off the list, also when its target is relative", () => {
      const { output } = makeOutput();
      const progress = new BackupProgress(output, { updateIntervalMs: undefined, nowMs: () => 0 });
      for (const name of ["/s/a", "/s/b"]) progress.fileStarted(path(name));
      progress.failed(bytes("/home/u/s/a"));
      expect(progress.lines().slice(1)).to.deep.equal(["/s/b"]);
      progress.stop();
    });

    it("has the same as JSON, without what is zero", () => {
      let nowMs = 0;
      const { output } = makeOutput({}, 1, true);
      const progress = new BackupProgress(output, { updateIntervalMs: undefined, nowMs: () => nowMs });
      expect(JSON.parse(progress.json())).to.deep.equal({ message_type: "status", percent_done: 0 });
      progress.scanned(2, 2000, true);
      progress.fileStarted(path("/b"));
      nowMs = 2000;
      progress.bytesRead(500);
      progress.failed(bytes("/x"));
      expect(JSON.parse(progress.json())).to.deep.equal({
        message_type: "status",
        seconds_elapsed: 2,
        percent_done: 0.25,
        total_files: 2,
        total_bytes: 2000,
        bytes_done: 500,
        error_count: 1,
        current_files: ["/b"],
      });
      progress.stop();
    });
  });

  it("of a restore names what was skipped and deleted", () => {
    const totals = {
      totalFiles: 32,
      filesRestored: 12,
      filesSkipped: 0,
      filesDeleted: 0,
      totalBytes: 8 * 1024 * 1024,
      bytesRestored: 3 * 1024 * 1024,
      bytesSkipped: 0,
    };
    expect(progressLine(totals, 5000)).to.equal(
      "[0:05] 37.50%  12 files/dirs 3.000 MiB, total 32 files/dirs 8.000 MiB",
    );
    const more = { ...totals, filesSkipped: 2, bytesSkipped: 1024 * 1024, filesDeleted: 3 };
    expect(progressLine(more, 5000)).to.equal(
      "[0:05] 37.50%  12 files/dirs 3.000 MiB, total 32 files/dirs 8.000 MiB, skipped 2 files/dirs 1.000 MiB, deleted 3 files/dirs",
    );
    expect(summaryLine(more, 3000)).to.equal(
      "Summary: Restored 12 / 32 files/dirs (3.000 MiB / 8.000 MiB) in 0:03, skipped 2 files/dirs 1.000 MiB, deleted 3 files/dirs",
    );
    const complete = { ...totals, filesRestored: 32, bytesRestored: totals.totalBytes };
    expect(summaryLine(complete, 0)).to.equal("Summary: Restored 32 files/dirs (8.000 MiB) in 0:00");
  });
});

describe("a password as it is typed", () => {
  const type = (...keys: string[]): [string, string] => {
    const line = new HiddenLine();
    let outcome = "";
    for (const key of keys) outcome = line.type(Buffer.from(key));
    return [outcome, line.text()];
  };

  it("ends with enter, a line feed, or the end of input", () => {
    expect(type("geheim\r")).to.deep.equal(["finished", "geheim"]);
    expect(type("ge", "heim", "\n")).to.deep.equal(["finished", "geheim"]);
    expect(type("\x04")).to.deep.equal(["finished", ""]);
  });

  it("can be corrected, whole characters at a time", () => {
    expect(type("gä\x7f\x7fgeheimx\b\r")).to.deep.equal(["finished", "geheim"]);
    expect(type("\x7fx\x15geheim\r")).to.deep.equal(["finished", "geheim"]);
  });

  it("can be given up", () => {
    expect(type("geh", "\x03")).to.deep.equal(["interrupted", "geh"]);
  });
});
