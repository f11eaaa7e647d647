import { expect } from "chai";
import fc from "fast-check";
import { findWord, suggestNames } from "../../../client/cli/arguments/find-command.ts";
import {
  arrayFlag,
  booleanFlag,
  countFlag,
  durationFlag,
  type FlagTable,
  integerFlag,
  listFlag,
  optionalTextFlag,
  unsignedFlag,
} from "../../../client/cli/arguments/flag.ts";
import { ArgumentError, type ParsedArguments, parseArguments } from "../../../client/cli/arguments/parse.ts";
import { globalFlags } from "../../../client/cli/global-flags.ts";

const table = {
  repository: optionalTextFlag({ name: "repo", shorthand: "r", placeholder: "repository", help: "" }),
  verbose: countFlag({ name: "verbose", shorthand: "v", help: "" }),
  json: booleanFlag({ name: "json", help: "" }),
  compact: booleanFlag({ name: "compact", shorthand: "c", help: "" }),
  latest: integerFlag({ name: "latest", placeholder: "n", help: "" }),
  readers: unsignedFlag({ name: "read-concurrency", placeholder: "n", help: "" }),
  hosts: arrayFlag({ name: "host", shorthand: "H", placeholder: "host", help: "" }),
  options: listFlag({ name: "option", shorthand: "o", placeholder: "key=value", help: "" }),
  retryMs: durationFlag({ name: "retry-lock", placeholder: "duration", help: "" }),
  last: booleanFlag({ name: "last", help: "", deprecated: "use --latest 1" }),
} satisfies FlagTable;

function parse(...texts: string[]): ParsedArguments<typeof table> {
  return parseArguments(texts, table);
}

function messageOf(...texts: string[]): string {
  try {
    parse(...texts);
  } catch (error) {
    if (error instanceof ArgumentError) return error.message;
    throw error;
  }
  throw new Error("no error");
}

function operandsOf(...texts: string[]): string[] {
  return parse(...texts).operands.map(({ text }) => text);
}

describe("arguments", () => {
  describe("flags with values", () => {
    const forms: readonly (readonly [form: string[], value: string])[] = [
      [["--repo", "/srv"], "/srv"],
      [["--repo=/srv"], "/srv"],
      [["--repo="], ""],
      [["--repo=a=b"], "a=b"],
      [["-r", "/srv"], "/srv"],
      [["-r/srv"], "/srv"],
      [["-r=/srv"], "/srv"],
      [["-r="], "="],
      [["-vr/srv"], "/srv"],
      [["-cvr", "/srv"], "/srv"],
      [["-r", "--json"], "--json"],
      [["-r", "a", "-r", "b"], "b"],
    ];
    for (const [form, value] of forms) {
      it(`reads ${form.join(" ")}`, () => expect(parse(...form).values.repository).to.equal(value));
    }
  });

  it("counts -v, -vv and --verbose=2", () => {
    expect(parse().values.verbose).to.equal(0);
    expect(parse("-v").values.verbose).to.equal(1);
    expect(parse("-vv").values.verbose).to.equal(2);
    expect(parse("-v", "--verbose", "-cv").values.verbose).to.equal(3);
    expect(parse("--verbose=2").values.verbose).to.equal(2);
    expect(operandsOf("--verbose", "2")).to.deep.equal(["2"]);
  });

  it("takes true and false for boolean flags, attached with =", () => {
    for (const text of ["1", "t", "T", "true", "TRUE", "True"])
      expect(parse(`--json=${text}`).values.json).to.equal(true);
    for (const text of ["0", "f", "F", "false", "FALSE", "False"]) {
      expect(parse("--json", `--json=${text}`).values.json).to.equal(false);
    }
  });

  it("mixes flags and arguments, and ends flags at --", () => {
    expect(operandsOf("a", "--json", "b", "-r", "x", "c")).to.deep.equal(["a", "b", "c"]);
    expect(operandsOf("a", "--", "--json", "-v", "--")).to.deep.equal(["a", "--json", "-v", "--"]);
    expect(operandsOf("-", "")).to.deep.equal(["-", ""]);
  });

  it("collects arrays as they are and splits lists at commas", () => {
    const { values } = parse("-H", "a,b", "--host=c", "-o", "x=1,y=2", "-o", 'z="q', "--option", "");
    expect(values.hosts).to.deep.equal(["a,b", "c"]);
    expect(values.options).to.deep.equal(["x=1", "y=2", 'z="q']);
    expect(parse("-o", '"a,b",c').values.options).to.deep.equal(["a,b", "c"]);
  });

  it("reads numbers as Go does", () => {
    const numbers: readonly (readonly [string, number])[] = [
      ["5", 5],
      ["-5", -5],
      ["+5", 5],
      ["0x10", 16],
      ["010", 8],
      ["0o17", 15],
      ["0b101", 5],
      ["1_000", 1000],
      ["0", 0],
    ];
    for (const [text, number] of numbers) expect(parse(`--latest=${text}`).values.latest, text).to.equal(number);
  });

  it("reads durations as Go does", () => {
    const durations: readonly (readonly [string, number])[] = [
      ["5m", 300_000],
      ["2h", 7_200_000],
      ["1h30m0.5s", 5_400_500],
      [".5h", 1_800_000],
      ["1.s", 1000],
      ["-5s", -5000],
      ["0", 0],
      ["10ms", 10],
      ["1500us", 1.5],
    ];
    for (const [text, milliseconds] of durations) {
      expect(parse(`--retry-lock=${text}`).values.retryMs, text).to.be.closeTo(milliseconds, 1e-6);
    }
  });

  describe("messages", () => {
    const messages: readonly (readonly [texts: string[], message: string])[] = [
      [["--bogus"], "unknown flag: --bogus"],
      [["--bogus=1"], "unknown flag: --bogus"],
      [["-z"], "unknown shorthand flag: 'z' in -z"],
      [["-vz"], "unknown shorthand flag: 'z' in -z"],
      [["-cz3"], "unknown shorthand flag: 'z' in -z3"],
      [["---foo"], "bad flag syntax: ---foo"],
      [["--=x"], "bad flag syntax: --=x"],
      [["--latest"], "flag needs an argument: --latest"],
      [["-r"], "flag needs an argument: 'r' in -r"],
      [["-vr"], "flag needs an argument: 'r' in -r"],
      [["--latest", "x"], 'invalid argument "x" for "--latest" flag: strconv.ParseInt: parsing "x": invalid syntax'],
      [["--latest="], 'invalid argument "" for "--latest" flag: strconv.ParseInt: parsing "": invalid syntax'],
      [
        ["--latest", "99999999999999999999"],
        'invalid argument "99999999999999999999" for "--latest" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range',
      ],
      [
        ["--read-concurrency", "-1"],
        'invalid argument "-1" for "--read-concurrency" flag: strconv.ParseUint: parsing "-1": invalid syntax',
      ],
      [["--verbose=x"], 'invalid argument "x" for "-v, --verbose" flag: strconv.ParseInt: parsing "x": invalid syntax'],
      [["--json=foo"], 'invalid argument "foo" for "--json" flag: strconv.ParseBool: parsing "foo": invalid syntax'],
      [["--retry-lock", "5"], 'invalid argument "5" for "--retry-lock" flag: time: missing unit in duration "5"'],
      [["--retry-lock="], 'invalid argument "" for "--retry-lock" flag: time: invalid duration ""'],
      [
        ["--retry-lock", "5x"],
        'invalid argument "5x" for "--retry-lock" flag: time: unknown unit "x" in duration "5x"',
      ],
      [
        ["--retry-lock", "1..2s"],
        'invalid argument "1..2s" for "--retry-lock" flag: time: missing unit in duration "1..2s"',
      ],
      [
        ["--latest", 'a"\u0007'],
        String.raw`invalid argument "a\"\a" for "--latest" flag: strconv.ParseInt: parsing "a\"\a": invalid syntax`,
      ],
    ];
    for (const [texts, message] of messages) {
      it(`refuses ${JSON.stringify(texts.join(" "))}`, () => expect(messageOf(...texts)).to.equal(message));
    }
  });

  it("tells the values in front of an error, so that it can be shown as JSON", () => {
    expect(() => parse("--json", "--bogus"))
      .to.throw(ArgumentError)
      .with.nested.property("parsed.values.json", true);
    expect(() => parse("--bogus", "--json"))
      .to.throw(ArgumentError)
      .with.nested.property("parsed.values.json", false);
  });

  it("knows -h and --help everywhere, but finds errors in front of them and behind", () => {
    expect(parse("-vh").wantsHelp).to.equal(true);
    expect(parse("--help").wantsHelp).to.equal(true);
    expect(parse().wantsHelp).to.equal(false);
    expect(messageOf("--help", "--bogus")).to.equal("unknown flag: --bogus");
  });

  it("reports deprecated flags", () => {
    const lines: string[] = [];
    parseArguments(["--last"], table, { onDeprecated: (line) => lines.push(line) });
    expect(lines).to.deep.equal(["Flag --last has been deprecated, use --latest 1"]);
  });

  it("says where an argument and a value stand", () => {
    const { operands, given } = parse("a", "--repo=b", "-rc", "-r", "d", "e");
    expect(operands).to.deep.equal([
      { text: "a", index: 0, prefixLength: 0 },
      { text: "e", index: 5, prefixLength: 0 },
    ]);
    expect(given.get("repository")).to.deep.equal([
      { text: "b", index: 1, prefixLength: 7 },
      { text: "c", index: 2, prefixLength: 2 },
      { text: "d", index: 4, prefixLength: 0 },
    ]);
  });

  it("never fails but with an ArgumentError", () => {
    const piece = fc.oneof(
      fc.constantFrom("-", "--", "-v", "-r", "--repo", "--json=", "-o", "--latest=", "--verbose=-1", "=", "-cvH"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (texts) => {
        try {
          parse(...texts);
        } catch (error) {
          expect(error).to.be.instanceOf(ArgumentError);
        }
      }),
    );
  });
});

describe("finding the command", () => {
  const find = (...texts: string[]): string | undefined => findWord(texts, globalFlags)?.text;

  it("passes over flags and their values", () => {
    expect(find("snapshots")).to.equal("snapshots");
    expect(find("-r", "repo", "snapshots")).to.equal("snapshots");
    expect(find("--repo=repo", "-v", "--json", "-q", "ls", "latest")).to.equal("ls");
    expect(find("-rrepo", "ls")).to.equal("ls");
    expect(find("-vv", "ls")).to.equal("ls");
  });

  it("takes a flag that only commands have to have a value", () => {
    expect(find("--latest", "3", "snapshots")).to.equal("snapshots");
    expect(find("--compact", "snapshots")).to.equal(undefined);
  });

  it("finds none where there is none", () => {
    expect(find()).to.equal(undefined);
    expect(find("--", "version")).to.equal(undefined);
    expect(find("-")).to.equal(undefined);
    expect(find("-r", "snapshots")).to.equal(undefined);
  });

  it("suggests names that were meant", () => {
    const names = ["backup", "list", "ls", "snapshots", "key"];
    expect(suggestNames("bakup", names)).to.deep.equal(["backup"]);
    expect(suggestNames("lss", names)).to.deep.equal(["list", "ls"]);
    expect(suggestNames("snap", names)).to.deep.equal(["snapshots"]);
    expect(suggestNames("frobnicate", names)).to.deep.equal([]);
  });
});
