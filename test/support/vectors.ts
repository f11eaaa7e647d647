/** The known answers under test/fixtures/vectors. */
import { readFileSync } from "node:fs";

/** The document of that name, whose shape the caller states. */
export function readVectors<Shape>(name: string): Shape {
  return JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), "utf8"));
}

/** test/fixtures/vectors/tree.json */
export interface TreeVectors {
  readonly names_unicode_13: readonly { raw_hex: string; quoted: string; json: string }[];
  readonly names_unicode_13_against_15: readonly {
    raw_hex: string;
    json_restic_0_14_unicode_13: string;
    json_restic_0_19_unicode_15: string;
  }[];
  readonly plain_strings: readonly { raw_hex: string; json: string; json_go_1_22_and_later: string }[];
  readonly symlink_targets: readonly {
    raw_hex: string;
    linktarget_restic_0_14: string;
    linktarget_restic_0_19: string;
    linktarget_raw_restic_0_19: string | null;
  }[];
  readonly times: readonly { zone: string; unix_ns: string; text: string }[];
  readonly modes: readonly { unix_mode_octal: string; stored: number }[];
  readonly empty_tree: { text: string; sha256: string };
}

/** test/fixtures/vectors/isprint.json: ranges of code points, hex, inclusive, separated by blanks. */
export interface PrintableVectors {
  readonly unicode_13_0_0: string;
  readonly unicode_15_0_0: string;
}

/** The printable characters of Unicode 13, which restic 0.14 has: the first of each run, and the first after it. */
export function printableBoundaries(ranges: string): Uint32Array {
  return Uint32Array.from(
    ranges.split(" ").flatMap((range) => {
      const [first = "", last = first] = range.split("-");
      return [Number.parseInt(first, 16), Number.parseInt(last, 16) + 1];
    }),
  );
}
