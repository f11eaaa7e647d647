import { expect } from "chai";
import fc from "fast-check";
import { encodeSnapshot, encodeSummary, parseSnapshot, type Snapshot } from "../../../shared/format/snapshot.ts";

const tree = "ab".repeat(32);
const parent = "cd".repeat(32);
const time = "2024-01-02T03:04:05.6+01:00";
const least: Snapshot = { time, tree, paths: [] };

describe("snapshots", () => {
  it("are written with the keys in restic's order", () => {
    const text =
      `{"time":"${time}","parent":"${parent}","tree":"${tree}","paths":["/a","/\\u003cb"],"hostname":"h","username":"u",` +
      `"uid":1,"gid":2,"excludes":["*.o"],"tags":["t","t"],"original":"${parent}","program_version":"coffer 0.1.0",` +
      `"summary":{"backup_start":"${time}","backup_end":"${time}","files_new":1,"files_changed":2,"files_unmodified":3,` +
      `"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,"tree_blobs":8,"data_added":9,` +
      `"data_added_packed":10,"total_files_processed":11,"total_bytes_processed":12}}`;
    const snapshot = parseSnapshot(text);
    expect(snapshot).to.deep.equal({
      time,
      parent,
      tree,
      paths: ["/a", "/<b"],
      hostname: "h",
      username: "u",
      uid: 1,
      gid: 2,
      excludes: ["*.o"],
      tags: ["t", "t"],
      original: parent,
      programVersion: "coffer 0.1.0",
      summary: {
        backupStart: time,
        backupEnd: time,
        filesNew: 1,
        filesChanged: 2,
        filesUnmodified: 3,
        dirsNew: 4,
        dirsChanged: 5,
        dirsUnmodified: 6,
        dataBlobs: 7,
        treeBlobs: 8,
        dataAdded: 9,
        dataAddedPacked: 10,
        totalFilesProcessed: 11,
        totalBytesProcessed: 12,
      },
    } satisfies Snapshot);
    expect(encodeSnapshot(snapshot)).to.equal(text);
    expect(text).to.contain(encodeSummary(snapshot.summary!));
  });

  it("leave out what is empty, but never the paths", () => {
    const empty = { ...least, hostname: "", username: "", uid: 0, gid: 0, excludes: [], tags: [], programVersion: "" };
    expect(encodeSnapshot(empty)).to.equal(`{"time":"${time}","tree":"${tree}","paths":[]}`);
    expect(parseSnapshot(encodeSnapshot(empty))).to.deep.equal(least);
  });

  it("are read with null, unknown keys and a newline at the end", () => {
    const text = `{"time":"${time}","tree":"${tree}","paths":null,"parent":null,"label":"x","summary":null}\n`;
    expect(parseSnapshot(text)).to.deep.equal(least);
    expect(parseSnapshot(new TextEncoder().encode(text))).to.deep.equal(least);
  });

  it("are read with a summary that lacks fields, as other programs write it", () => {
    const text = encodeSnapshot(least).replace("}", ',"summary":{"files_new":3,"total_duration":1.5}}');
    expect(parseSnapshot(text).summary).to.deep.include({ filesNew: 3, dirsNew: 0, backupEnd: "0001-01-01T00:00:00Z" });
  });

  it("survive encoding and decoding", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
    const texts = fc.array(text, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.record(
          {
            hostname: text,
            username: text,
            excludes: texts,
            tags: texts,
            programVersion: text,
            uid: fc.nat(),
            gid: fc.nat(),
          },
          { requiredKeys: [] },
        ),
        fc.array(text, { maxLength: 4 }),
        (fields, paths) => {
          const snapshot = { ...least, ...fields, paths };
          const parsed = parseSnapshot(encodeSnapshot(snapshot));
          expect(encodeSnapshot(parsed)).to.equal(encodeSnapshot(snapshot));
          expect(parsed).to.deep.include({ paths });
        },
      ),
    );
  });

  const malformed: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["an array", "[]"],
    ["null", "null"],
    ["trailing text", `${encodeSnapshot(least)}x`],
    ["no time", `{"tree":"${tree}","paths":[]}`],
    ["a time that is none", `{"time":"now","tree":"${tree}"}`],
    ["no tree", `{"time":"${time}"}`],
    ["a short tree id", `{"time":"${time}","tree":"ab"}`],
    ["a parent that is no id", `{"time":"${time}","tree":"${tree}","parent":1}`],
    ["paths that are no list", `{"time":"${time}","tree":"${tree}","paths":"/a"}`],
    ["a path that is no text", `{"time":"${time}","tree":"${tree}","paths":[1]}`],
    ["a user number below zero", `{"time":"${time}","tree":"${tree}","uid":-1}`],
    ["a user number of 33 bits", `{"time":"${time}","tree":"${tree}","uid":4294967296}`],
    ["a summary that is a list", `{"time":"${time}","tree":"${tree}","summary":[]}`],
    ["a count that is no number", `{"time":"${time}","tree":"${tree}","summary":{"files_new":"1"}}`],
  ];
  for (const [name, text] of malformed) {
    it(`are refused with ${name}`, () => {
      expect(() => parseSnapshot(text))
        .to.throw()
        .with.property("code", "malformed");
    });
  }

  it("say which field is wrong", () => {
    expect(() => parseSnapshot(`{"time":5}`)).to.throw('snapshot: "time" expected a string, got 5');
    expect(() => parseSnapshot(Uint8Array.of(0x7b, 0xff)))
      .to.throw("expected valid UTF-8")
      .with.property("code", "malformed");
  });

  it("do not take fields from the prototype of objects", () => {
    expect(() => parseSnapshot(`{"__proto__":{"time":"${time}","tree":"${tree}"}}`)).to.throw('"time" expected');
  });
});
