/** The folder that the demonstration backs up: text, binary, large, empty, linked and oddly named files. */
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { RandomBytes, SampleText, writeLargeFile, writeSmallFiles } from "./sample-data.ts";

const mebibyte = 1 << 20;

export interface SampleSizes {
  readonly randomBytes: number;
  readonly textBytes: number;
  readonly smallFiles: number;
}

export const demoSizes: SampleSizes = { randomBytes: 192 * mebibyte, textBytes: 96 * mebibyte, smallFiles: 2000 };

/** Names that trip programs: blanks, quotes, control characters, both Unicode forms of ü, bytes that are not UTF-8. */
const oddNames: readonly Buffer[] = [
  Buffer.from(" leading and trailing blanks "),
  Buffer.from("new\nline"),
  Buffer.from('tab\tand "quotes" and back\\slash'),
  Buffer.from("-rf"),
  Buffer.from("über"),
  Buffer.from("u\u0308ber"),
  Buffer.from("emoji 👨‍👩‍👧"),
  Buffer.from("<html>&amp;"),
  Buffer.from([0x6c, 0x61, 0x74, 0x69, 0x6e, 0x31, 0x2d, 0xe9]),
  Buffer.from("n".repeat(255)),
];

export function makeSampleFolder(folder: string, sizes: SampleSizes): void {
  mkdirSync(join(folder, "odd names"), { recursive: true });
  mkdirSync(join(folder, "links"));
  mkdirSync(join(folder, "empty folder"));
  writeLargeFile(join(folder, "video.bin"), sizes.randomBytes, new RandomBytes("video"));
  writeLargeFile(join(folder, "database.sql"), sizes.textBytes, new SampleText("database"));
  writeSmallFiles(join(folder, "documents"), sizes.smallFiles, "documents");
  writeFileSync(join(folder, "empty file"), "");
  for (const name of oddNames) {
    writeFileSync(
      Buffer.concat([Buffer.from(join(folder, "odd names/")), name]),
      `the file named ${name.toString("hex")}\n`,
    );
  }
  writeFileSync(join(folder, "links", "original"), "one file, three names\n");
  linkSync(join(folder, "links", "original"), join(folder, "links", "second name"));
  linkSync(join(folder, "links", "original"), join(folder, "third name"));
  symlinkSync("../video.bin", join(folder, "links", "to the video"));
  symlinkSync("nowhere/at/all", join(folder, "links", "dangling"));
  writeSparseFile(join(folder, "sparse.img"), 16 * mebibyte);
  writeFileSync(join(folder, "run.sh"), "#!/bin/sh\necho hello\n");
  chmodSync(join(folder, "run.sh"), 0o755);
  writeFileSync(join(folder, "private key"), "secret\n");
  chmodSync(join(folder, "private key"), 0o600);
  utimesSync(join(folder, "run.sh"), 946684799.5, 946684799.25);
}

function writeSparseFile(path: string, sizeBytes: number): void {
  writeFileSync(path, "the beginning");
  truncateSync(path, sizeBytes);
}

/** What a person does between two backups; returns the paths that a comparison of the snapshots must show. */
export function changeSampleFolder(folder: string): { added: string[]; removed: string[]; modified: string[] } {
  writeFileSync(join(folder, "letter.txt"), "Dear Sir or Madam,\n");
  mkdirSync(join(folder, "photos"));
  writeLargeFile(join(folder, "photos", "photo.jpg"), 3 * mebibyte, new RandomBytes("photo"));
  appendFileSync(join(folder, "database.sql"), new SampleText("more").next(2 * mebibyte));
  rmSync(join(folder, "empty file"));
  renameSync(join(folder, "run.sh"), join(folder, "start.sh"));
  return {
    added: ["letter.txt", "photos", "photos/photo.jpg", "start.sh"],
    removed: ["empty file", "run.sh"],
    modified: ["database.sql"],
  };
}

/** The same for a folder that somebody brought: one file more. */
export function changeForeignFolder(folder: string): { added: string[]; removed: string[]; modified: string[] } {
  writeFileSync(join(folder, "added by the demonstration.txt"), new SampleText("demonstration").next(mebibyte));
  return { added: ["added by the demonstration.txt"], removed: [], modified: [] };
}
