import { expect } from "chai";
import { decodeText } from "../../../client/cli/text/decode.ts";
import { cutToWidth, displayWidth } from "../../../client/cli/text/display-width.ts";
import {
  formatBytes,
  formatBytesPadded,
  formatClock,
  formatGoDuration,
  formatPercent,
} from "../../../client/cli/text/numbers.ts";
import { quoteIfNeeded } from "../../../client/cli/text/quote.ts";
import { splitWords } from "../../../client/cli/text/split-words.ts";
import { formatTable } from "../../../client/cli/text/table.ts";

describe("texts of the command line", () => {
  it("shows sizes with three decimals from one KiB on", () => {
    expect(
      [0, 1, 1023, 1024, 300_020, 1024 ** 2, 1024 ** 3, 5 * 1024 ** 4, 2000 * 1024 ** 4].map(formatBytes),
    ).to.deep.equal([
      "0 B",
      "1 B",
      "1023 B",
      "1.000 KiB",
      "292.988 KiB",
      "1.000 MiB",
      "1.000 GiB",
      "5.000 TiB",
      "2000.000 TiB",
    ]);
    expect(formatBytesPadded(0)).to.equal("0 B  ");
  });

  it("shows durations as clocks", () => {
    expect([0, 999, 1000, 61_000, 3_599_999, 3_600_000, 36_061_000].map(formatClock)).to.deep.equal([
      "0:00",
      "0:00",
      "0:01",
      "1:01",
      "59:59",
      "1:00:00",
      "10:01:01",
    ]);
  });

  it("shows shares with two decimals, none of nothing, never more than all", () => {
    expect(formatPercent(17, 40)).to.equal("42.50%");
    expect(formatPercent(0, 0)).to.equal("");
    expect(formatPercent(3, 2)).to.equal("100.00%");
  });

  it("shows durations inside messages as Go does", () => {
    const durations: readonly (readonly [bigint, string])[] = [
      [0n, "0s"],
      [1n, "1ns"],
      [1500n, "1.5µs"],
      [15_500_000n, "15.5ms"],
      [964_477_511n, "964.477511ms"],
      [1_000_000_000n, "1s"],
      [8_450_393_880n, "8.45039388s"],
      [123_100_000_000n, "2m3.1s"],
      [300_000_000_000n, "5m0s"],
      [217_614_814_968_321_562n, "60448h33m34.968321562s"],
      [-1_500_000_000n, "-1.5s"],
    ];
    for (const [nanoseconds, text] of durations) expect(formatGoDuration(nanoseconds)).to.equal(text);
  });

  it("lays tables out in columns and cuts trailing blanks", () => {
    const lines = formatTable({
      columns: ["ID", "Tags      ", "Paths"],
      rows: [
        [["a1"], [], ["/x"]],
        [["b2"], ["daily"], ["/data/src", "/y"]],
      ],
      separateRows: true,
      footer: ["2 snapshots"],
    });
    expect(lines).to.deep.equal([
      "ID  Tags        Paths",
      "-------------------------",
      "a1              /x",
      "",
      "b2  daily       /data/src",
      "                /y",
      "-------------------------",
      "2 snapshots",
    ]);
  });

  it("counts wide characters twice and combining ones not at all", () => {
    expect(displayWidth("abc")).to.equal(3);
    expect(displayWidth("漢字")).to.equal(4);
    expect(displayWidth("e\u0301")).to.equal(1);
    expect(displayWidth("🙂")).to.equal(2);
    expect(cutToWidth("漢字", 3)).to.equal("漢");
    expect(cutToWidth("abc", 2)).to.equal("ab");
    expect(cutToWidth("abc", -1)).to.equal("");
  });

  it("quotes only names that a terminal would not show", () => {
    expect(quoteIfNeeded(Buffer.from("/data/a b'c"))).to.equal("/data/a b'c");
    expect(quoteIfNeeded(Buffer.from('/data/"q"\\x'))).to.equal('/data/"q"\\x');
    expect(quoteIfNeeded(Buffer.from("/ä/漢"))).to.equal("/ä/漢");
    expect(quoteIfNeeded(Buffer.from("/a/bad\xff", "latin1"))).to.equal(String.raw`"/a/bad\xff"`);
    expect(quoteIfNeeded(Buffer.from('a\n"'))).to.equal(String.raw`"a\n\""`);
  });

  it("reads UTF-8 and UTF-16 with a byte order mark", () => {
    expect(decodeText(Buffer.from("\ufeffgeheim"))).to.equal("geheim");
    expect(decodeText(Buffer.from("geheim"))).to.equal("geheim");
    expect(decodeText(Buffer.from("\ufeffx\n", "utf16le"))).to.equal("x\n");
    expect(decodeText(Buffer.from("\ufeffx\n", "utf16le").swap16())).to.equal("x\n");
  });

  describe("splitting into words", () => {
    const cases: readonly (readonly [text: string, words: string[]])[] = [
      ["echo x", ["echo", "x"]],
      ["  echo   x  ", ["echo", "x"]],
      ["sh -c 'exit 3'", ["sh", "-c", "exit 3"]],
      [`a "b 'c' \\"d\\"" e`, ["a", `b 'c' "d"`, "e"]],
      ["a'b'\"c\"d", ["abcd"]],
      ["echo ''", ["echo", ""]],
      ["a\\ b c\\", ["a b", "c"]],
      ["", []],
      [" \t\n", []],
    ];
    for (const [text, words] of cases) {
      it(JSON.stringify(text), () => expect(splitWords(text)).to.deep.equal(words));
    }

    it("refuses an open quote", () => {
      expect(() => splitWords("echo 'x")).to.throw("single-quoted string not terminated");
      expect(() => splitWords('echo "x')).to.throw("double-quoted string not terminated");
    });
  });
});
