import { expect } from "chai";
import type { Repository } from "../../../client/repository/repository.ts";
import {
  everySnapshot,
  groupSnapshots,
  matchesFilter,
  parentFilter,
  parseGroupBy,
  parseTagList,
  type SnapshotFilter,
} from "../../../client/repository/snapshot-filter.ts";
import {
  findById,
  findSnapshot,
  findSnapshots,
  latestOf,
  loadSnapshot,
  loadSnapshots,
  parseSnapshotArgument,
  type StoredSnapshot,
  saveSnapshot,
} from "../../../client/repository/snapshots.ts";
import type { Snapshot } from "../../../shared/format/snapshot.ts";
import { parseTime } from "../../../shared/format/time.ts";
import { fixtureNames, readFixture } from "../../support/fixtures.ts";
import { createRepository, failureOf, memoryOf, openFixture } from "../../support/memory-repository.ts";

const tree = "ab".repeat(32);

function snapshotOf(day: number, rest: Partial<Snapshot> = {}): Snapshot {
  const time = `2026-01-${String(day).padStart(2, "0")}T00:00:00Z`;
  return { time, tree, paths: ["/data"], hostname: "host", ...rest };
}

function filterOf(filter: Partial<SnapshotFilter>): SnapshotFilter {
  return { ...everySnapshot, ...filter };
}

async function stored(...snapshots: readonly Snapshot[]): Promise<{ repository: Repository; ids: string[] }> {
  const repository = await createRepository();
  const ids: string[] = [];
  for (const snapshot of snapshots) ids.push(await saveSnapshot(repository, snapshot));
  return { repository, ids };
}

describe("snapshots", () => {
  it("of every fixture are loaded as their manifests say", async () => {
    for (const name of fixtureNames) {
      const repository = openFixture(name);
      const ids = await repository.listIds("snapshots");
      const outcomes = await loadSnapshots(repository, ids);
      expect(outcomes.map(({ id }) => id)).to.deep.equal(ids);
      for (const { id, document } of readFixture(name).manifest.snapshots) {
        const snapshot = await loadSnapshot(repository, id);
        expect(snapshot).to.include({ id, time: document["time"], tree: document["tree"] });
        expect(snapshot.paths).to.deep.equal(document["paths"]);
      }
    }
  });

  it("are saved and loaded without loss", async () => {
    const snapshot = snapshotOf(1, { tags: ["a"], excludes: ["*.x"], parent: tree, uid: 7 });
    const { repository, ids } = await stored(snapshot);
    expect(await loadSnapshot(repository, ids[0] ?? "")).to.deep.equal({ ...snapshot, id: ids[0] });
  });

  it("that cannot be loaded are named", async () => {
    const { repository, ids } = await stored(snapshotOf(1));
    const [id = ""] = ids;
    memoryOf(repository).files.set(`snapshots/${id}`, new Uint8Array(99));
    const damaged = await failureOf(loadSnapshot(repository, id));
    expect(damaged).to.have.property("code", "damaged");
    expect(damaged.message).to.match(new RegExp(`^failed to load snapshot ${id.slice(0, 8)}: `));
    const broken = await repository.saveDocument("snapshots", new TextEncoder().encode('{"time":"yesterday"}'));
    expect(await failureOf(loadSnapshot(repository, broken))).to.have.property("code", "damaged");
    expect(await failureOf(loadSnapshot(repository, "0".repeat(64)))).to.have.property("code", "not-found");
    const signal = AbortSignal.abort();
    expect(await failureOf(loadSnapshot(repository, id, signal))).to.have.property("code", "cancelled");
  });
});

describe("finding one snapshot", () => {
  it("splits off the subfolder at the first colon", () => {
    expect(parseSnapshotArgument("latest")).to.deep.equal({ id: "latest", subfolder: "" });
    expect(parseSnapshotArgument("ab12:/a:b/c")).to.deep.equal({ id: "ab12", subfolder: "/a:b/c" });
    expect(parseSnapshotArgument(":x")).to.deep.equal({ id: "", subfolder: "x" });
  });

  it("takes a full id without listing, or any beginning that only one id has", async () => {
    const { repository, ids } = await stored(snapshotOf(1), snapshotOf(2));
    const [first = "", second = ""] = ids;
    const options = { filter: filterOf({ hosts: ["nobody"] }) };
    expect((await findSnapshot(repository, `${first}:a/b`, options)).subfolder).to.equal("a/b");
    let length = 1;
    while (second.startsWith(first.slice(0, length))) length++;
    expect((await findSnapshot(repository, first.slice(0, length), options)).snapshot.id).to.equal(first);
    const none = await failureOf(findById(repository, "zz"));
    expect(none).to.include({ code: "not-found", message: 'no matching ID found for prefix "zz"' });
    const several = await failureOf(findById(repository, ""));
    expect(several).to.include({ code: "ambiguous", message: 'multiple IDs with prefix "" found' });
    expect(await failureOf(findById(repository, "latest"))).to.have.property("code", "not-found");
    expect(await failureOf(findById(repository, "0".repeat(64)))).to.have.property("code", "not-found");
  });

  it("takes the latest that matches and is not too new", async () => {
    const { repository, ids } = await stored(
      snapshotOf(3),
      snapshotOf(1),
      snapshotOf(5, { hostname: "other" }),
      snapshotOf(4, { time: "2026-01-04T23:00:00+01:00" }),
    );
    const latest = async (filter: Partial<SnapshotFilter>, notAfter?: string): Promise<string> => {
      const notAfterNs = notAfter === undefined ? undefined : parseTime(notAfter).unixNs;
      return (await findSnapshot(repository, "latest", { filter: filterOf(filter), notAfterNs })).snapshot.id;
    };
    expect(await latest({})).to.equal(ids[2]);
    expect(await latest({ hosts: ["host"] })).to.equal(ids[3]);
    expect(await latest({ hosts: ["host"] }, "2026-01-04T22:00:00Z")).to.equal(ids[3]);
    expect(await latest({ hosts: ["host"] }, "2026-01-04T21:59:59Z")).to.equal(ids[0]);
    const filter = filterOf({ hosts: ["x", "y"], paths: ["/a", "/b"], tagLists: [["s", "t"], ["u"]] });
    const failure = await failureOf(findSnapshot(repository, "latest", { filter }));
    expect(failure).to.have.property("code", "not-found");
    expect(failure.message).to.equal(
      "snapshot filter (Paths:[/a /b] Tags:[[s, t] [u]] Hosts:[x y]): no snapshot found",
    );
  });

  it("does not take any for the latest when one cannot be loaded", async () => {
    const { repository, ids } = await stored(snapshotOf(1), snapshotOf(2));
    memoryOf(repository).files.set(`snapshots/${ids[0]}`, new Uint8Array(9));
    const failure = await failureOf(findSnapshot(repository, "latest", { filter: everySnapshot }));
    expect(failure).to.have.property("code", "damaged");
  });

  it("takes the later in the list of those with equal times", () => {
    const snapshots = ["a", "b", "c"].map((id): StoredSnapshot => ({ ...snapshotOf(1), id }));
    expect(latestOf(snapshots, everySnapshot)?.id).to.equal("c");
    expect(latestOf([], everySnapshot)).to.equal(undefined);
  });
});

describe("finding several snapshots", () => {
  it("finds all that match, and reports those that cannot be loaded", async () => {
    const { repository, ids } = await stored(snapshotOf(1), snapshotOf(2, { hostname: "other" }), snapshotOf(3));
    memoryOf(repository).files.set(`snapshots/${ids[2]}`, new Uint8Array(9));
    const { snapshots, problems } = await findSnapshots(repository, [], filterOf({ hosts: ["other"] }));
    expect(snapshots.map(({ id }) => id)).to.deep.equal([ids[1]]);
    expect(problems.map(({ argument, error }) => [argument, error.code])).to.deep.equal([[ids[2], "damaged"]]);
  });

  it("finds each that is named once, and reports what is wrong with the others", async () => {
    const { repository, ids } = await stored(snapshotOf(1), snapshotOf(2));
    const [first = "", second = ""] = ids;
    const names = [second, "latest", "latest", first, "zz", `${first}:sub`];
    const { snapshots, problems } = await findSnapshots(repository, names, everySnapshot);
    expect(snapshots.map(({ id }) => id)).to.deep.equal([second, first]);
    expect(problems.map(({ argument, error }) => [argument, error.message])).to.deep.equal([
      ["zz", 'no matching ID found for prefix "zz"'],
      [`${first}:sub`, "<snapshot>:<subfolder> syntax not allowed"],
    ]);
  });

  it("reports filters beside ids, which they do not concern, unless one is `latest`", async () => {
    const { repository, ids } = await stored(snapshotOf(1), snapshotOf(2, { hostname: "other" }));
    const [first = "", second = ""] = ids;
    const filter = filterOf({ hosts: ["host"] });
    const named = await findSnapshots(repository, [second], filter);
    expect(named.snapshots.map(({ id }) => id)).to.deep.equal([second]);
    expect(named.problems.map(({ argument, error }) => [argument, error.message])).to.deep.equal([
      ["filters", "explicit snapshot ids are given"],
    ]);
    const latest = await findSnapshots(repository, ["latest", second], filter);
    expect(latest.snapshots.map(({ id }) => id)).to.deep.equal([first, second]);
    expect(latest.problems).to.deep.equal([]);
  });
});

describe("snapshot filters", () => {
  const tagged = snapshotOf(1, { tags: ["a", "b"], paths: ["/x", "/y"] });
  const untagged = snapshotOf(2);

  it("want one of the hosts and all of the paths, exactly", () => {
    expect(matchesFilter(tagged, filterOf({ hosts: ["z", "host"] }))).to.equal(true);
    expect(matchesFilter(tagged, filterOf({ hosts: ["hos"] }))).to.equal(false);
    expect(matchesFilter(snapshotOf(1, { hostname: undefined }), filterOf({ hosts: [""] }))).to.equal(true);
    expect(matchesFilter(tagged, filterOf({ paths: ["/y", "/x"] }))).to.equal(true);
    expect(matchesFilter(tagged, filterOf({ paths: ["/x", "/z"] }))).to.equal(false);
    expect(matchesFilter(tagged, filterOf({ paths: ["/x/"] }))).to.equal(false);
  });

  for (const [texts, wantsTagged, wantsUntagged] of [
    [[], true, true],
    [["a"], true, false],
    [["a,b"], true, false],
    [[" b , a "], true, false],
    [["a,c"], false, false],
    [["c", "b"], true, false],
    [[""], false, true],
    [[",a"], false, true],
    [["a,"], false, false],
    [["c", ""], false, true],
  ] as const) {
    it(`with the tags ${JSON.stringify(texts)} select as restic's do`, () => {
      const filter = filterOf({ tagLists: texts.map(parseTagList) });
      expect(matchesFilter(tagged, filter)).to.equal(wantsTagged);
      expect(matchesFilter(untagged, filter)).to.equal(wantsUntagged);
    });
  }

  it("for the parent of a backup take what snapshots are grouped by", () => {
    const next = { hostname: "host", paths: ["/x"], tags: ["b"] };
    const matching = (groupBy: string, snapshot: Snapshot): boolean =>
      matchesFilter(snapshot, parentFilter(parseGroupBy(groupBy), next));
    expect(matching("host,paths", tagged)).to.equal(true);
    expect(matching("host,paths", untagged)).to.equal(false);
    expect(matching("host", untagged)).to.equal(true);
    expect(matching("host,tags", tagged)).to.equal(true);
    expect(matching("tags", untagged)).to.equal(false);
    expect(matching("", snapshotOf(1, { hostname: "other" }))).to.equal(true);
    expect(matching("host", snapshotOf(1, { hostname: "other" }))).to.equal(false);
  });
});

describe("grouping", () => {
  for (const [text, host, paths, tags] of [
    ["host,paths", true, true, false],
    ["paths,host", true, true, false],
    ["hosts", true, false, false],
    ["path", false, true, false],
    ["tag", false, false, true],
    ["tags,tag,tags", false, false, true],
    ["host,,tags,", true, false, true],
    ["", false, false, false],
    [",", false, false, false],
  ] as const) {
    it(`understands ${JSON.stringify(text)}`, () => {
      expect(parseGroupBy(text)).to.deep.equal({ host, paths, tags });
    });
  }

  for (const [text, wrong] of [
    ["host, paths", " paths"],
    ["Host", "Host"],
    ["hostname", "hostname"],
    ["none", "none"],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseGroupBy(text))
        .to.throw(`unknown grouping option: "${wrong}"`)
        .with.property("code", "usage");
    });
  }

  it("puts together what has the same host, paths and tags, whatever their order", () => {
    const snapshots = [
      snapshotOf(1, { paths: ["/b", "/a"], tags: ["y", "x"] }),
      snapshotOf(2, { paths: ["/a", "/b"], tags: ["x", "y"] }),
      snapshotOf(3, { paths: ["/a", "/b"], hostname: "another" }),
      snapshotOf(4, { paths: ["/a", "/a"], hostname: "host" }),
    ];
    const groups = (text: string) =>
      groupSnapshots(snapshots, parseGroupBy(text)).map(({ key, snapshots: members }) => [
        key,
        members.map(({ time }) => Number(time.slice(8, 10))),
      ]);
    expect(groups("")).to.deep.equal([[{ hostname: "", paths: undefined, tags: undefined }, [1, 2, 3, 4]]]);
    expect(groups("host")).to.deep.equal([
      [{ hostname: "another", paths: undefined, tags: undefined }, [3]],
      [{ hostname: "host", paths: undefined, tags: undefined }, [1, 2, 4]],
    ]);
    expect(groups("paths")).to.deep.equal([
      [{ hostname: "", paths: ["/a", "/a"], tags: undefined }, [4]],
      [{ hostname: "", paths: ["/a", "/b"], tags: undefined }, [1, 2, 3]],
    ]);
    expect(groups("tags")).to.deep.equal([
      [{ hostname: "", paths: undefined, tags: ["x", "y"] }, [1, 2]],
      [{ hostname: "", paths: undefined, tags: undefined }, [3, 4]],
    ]);
  });
});
