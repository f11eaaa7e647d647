/**
 * A folder with everything that a Linux file system can hold and a backup may get wrong: names and link targets of the vectors, all
 * types and modes, odd owners and times, attributes on every kind of entry, holes, hard links, contents around the chunker's limits.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, lchownSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { systemCalls } from "../../client/platform/system-calls.ts";
import { RandomBytes } from "./sample-data.ts";
import { readVectors, type TreeVectors } from "./vectors.ts";

export interface NastyOptions {
  /** Leave out the few names, targets and attributes that restic 0.14 stores in another form than 0.19. */
  readonly asOldRestic: boolean;
}

const isRoot = process.getuid?.() === 0;
const vectors = readVectors<TreeVectors>("tree");

export async function makeNastyFolder(folder: string, options: NastyOptions): Promise<void> {
  mkdirSync(folder, { recursive: true });
  makeNames(join(folder, "names"), options);
  makeLinks(join(folder, "links"), options);
  makeModes(join(folder, "modes"));
  makeContents(join(folder, "contents"));
  makeAttributes(join(folder, "attributes"), options);
  if (isRoot) makeSpecialFiles(join(folder, "special"));
  await makeSocket(join(folder, "socket"));
  makeDeepFolders(join(folder, "deep"));
  makeManyFiles(join(folder, "many"));
  if (isRoot) makeOwners(join(folder, "owners"));
  // Last: everything above changes the times of the folders.
  makeTimes(join(folder, "times"));
}

function inside(folder: string, name: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, "hex")]);
}

function makeNames(folder: string, { asOldRestic }: NastyOptions): void {
  mkdirSync(folder);
  const newer = new Set(vectors.names_unicode_13_against_15.map(({ raw_hex }) => raw_hex));
  const names = new Set([...vectors.names_unicode_13.map(({ raw_hex }) => raw_hex), ...newer]);
  for (const name of names) {
    const isPossible = name !== "2e" && name !== "2e2e" && !Buffer.from(name, "hex").includes("/");
    if (isPossible && !(asOldRestic && newer.has(name))) writeFileSync(inside(folder, name), name);
  }
  // The same bytes as names of folders, in another order than UTF-16 would give.
  for (const name of ["folder-\ue000", "folder-\u{1f600}", "folder-\uffff"]) mkdirSync(join(folder, name));
}

/** How a target must look that both versions store alike. */
function isPlainTarget(target: Buffer): boolean {
  return Buffer.from(target.toString()).equals(target) && !target.includes(8) && !target.includes(12);
}

function makeLinks(folder: string, { asOldRestic }: NastyOptions): void {
  mkdirSync(folder);
  const targets = [...vectors.plain_strings, ...vectors.symlink_targets].map(({ raw_hex }) =>
    Buffer.from(raw_hex, "hex"),
  );
  for (const [index, target] of targets.entries()) {
    if (target.length === 0 || target.includes(0) || (asOldRestic && !isPlainTarget(target))) continue;
    symlinkSync(target, join(folder, `link-${index}`));
  }
  symlinkSync("x".repeat(4000), join(folder, "long"));
  writeFileSync(join(folder, "file"), "linked");
  linkSync(join(folder, "file"), join(folder, "second"));
  linkSync(join(folder, "link-0"), join(folder, "link-0-again"));
}

function makeModes(folder: string): void {
  mkdirSync(folder);
  for (const mode of [0o000, 0o001, 0o400, 0o644, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777]) {
    writeFileSync(join(folder, `file-${mode.toString(8)}`), "x");
    mkdirSync(join(folder, `folder-${mode.toString(8)}`));
    chmodSync(join(folder, `file-${mode.toString(8)}`), mode);
    chmodSync(join(folder, `folder-${mode.toString(8)}`), mode);
  }
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

function makeContents(folder: string): void {
  mkdirSync(folder);
  const random = new RandomBytes("nasty");
  const write = (name: string, content: Uint8Array | string): void => writeFileSync(join(folder, name), content);
  write("empty", "");
  write("one byte", "x");
  write("minimum chunk", random.next(512 * kibibyte));
  write("minimum chunk and one", random.next(512 * kibibyte + 1));
  write("one less than the minimum", random.next(512 * kibibyte - 1));
  write("segment and one", random.next(16 * mebibyte + 1));
  write("segment", random.next(16 * mebibyte));
  write("several chunks", random.next(21 * mebibyte));
  write("constant", Buffer.alloc(17 * mebibyte, 0xff));
  write("zeros", Buffer.alloc(9 * mebibyte));
  write("sparse", "begin");
  truncateSync(join(folder, "sparse"), 20 * mebibyte + 17);
  write("text", "All work and no play makes Jack a dull boy.\n".repeat(100_000));
  mkdirSync(join(folder, "equal"));
  for (let number = 0; number < 300; number++) write(`equal/${number}`, "the same in all of them");
}

function makeAttributes(folder: string, { asOldRestic }: NastyOptions): void {
  mkdirSync(folder);
  const set = (name: string, attribute: string, value: Uint8Array | string): void => {
    systemCalls().setXattr(Buffer.from(join(folder, name)), Buffer.from(attribute), Buffer.from(value));
  };
  for (const name of ["file", "second file"]) writeFileSync(join(folder, name), name);
  mkdirSync(join(folder, "folder"));
  // Not in alphabetical order: the system's own order counts.
  for (const name of ["file", "folder"]) {
    for (const attribute of ["user.z", "user.a", "user.m", "user.ä<&>", "user.empty"]) {
      set(name, attribute, attribute === "user.empty" ? "" : `value of ${attribute}`);
    }
    set(name, "user.binary", Buffer.from([0, 1, 2, 0xfe, 0xff]));
  }
  if (!isRoot) return;
  set("second file", "trusted.t", "root only");
  symlinkSync("file", join(folder, "link"));
  if (!asOldRestic) set("link", "trusted.link", "of the link itself");
  systemCalls().makeFifo(Buffer.from(join(folder, "pipe")), 0o644);
  set("pipe", "trusted.pipe", "on a pipe");
}

function makeSpecialFiles(folder: string): void {
  mkdirSync(folder);
  const make = (name: string, mode: number, device: bigint): void => {
    systemCalls().makeNode(Buffer.from(join(folder, name)), mode, device);
  };
  make("pipe", 0o010640, 0n);
  make("character", 0o020600, 0x0103n);
  make("block", 0o060660, 0x0801n);
  // Major 0xfff and minor 0xfffff are as large as the kernel takes them.
  make("large numbers", 0o020666, 0xffff_ffffn);
  make("setuid pipe", 0o016777, 0n);
  for (const name of ["pipe", "character", "block"]) linkSync(join(folder, name), join(folder, `${name} again`));
}

/** A socket stays when its server's process forgets to remove it. */
async function makeSocket(path: string): Promise<void> {
  const server = createServer();
  const short = `/proc/self/cwd/${Buffer.from("coffer-test-socket").toString()}-${process.pid}`;
  await new Promise<void>((resolve) => server.listen(short, resolve));
  execFileSync("mv", [short.replace("/proc/self/cwd", process.cwd()), path]);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function makeDeepFolders(folder: string): void {
  let path = folder;
  for (let depth = 0; depth < 40; depth++) {
    mkdirSync(path);
    writeFileSync(join(path, "f"), `at depth ${depth}`);
    path = join(path, "d".repeat(1 + (depth % 20)));
  }
}

function makeManyFiles(folder: string): void {
  mkdirSync(folder);
  for (let number = 0; number < 1200; number++) writeFileSync(join(folder, `${number}`), `file number ${number}\n`);
  mkdirSync(join(folder, "empty folder"));
}

function makeOwners(folder: string): void {
  mkdirSync(folder);
  for (const [uid, gid] of [
    [0, 0],
    [1, 2],
    [65534, 65534],
    [12345, 54321],
    [4294967294, 4294967294],
  ] as const) {
    writeFileSync(join(folder, `${uid}-${gid}`), "x");
    lchownSync(join(folder, `${uid}-${gid}`), uid, gid);
  }
  symlinkSync("0-0", join(folder, "link"));
  lchownSync(join(folder, "link"), 1, 1);
}

function makeTimes(folder: string): void {
  mkdirSync(folder);
  const seen = new Set<string>();
  for (const { unix_ns } of vectors.times) {
    const timeNs = BigInt(unix_ns);
    // What ext4 can hold; others clamp by themselves, which both programs then see.
    if (seen.has(unix_ns) || timeNs < -(2n ** 31n) * 1_000_000_000n) continue;
    seen.add(unix_ns);
    const path = join(folder, `t${unix_ns}`);
    writeFileSync(path, unix_ns);
    systemCalls().utimensat(Buffer.from(path), 1_234_567_890_123_456_789n, timeNs, true);
  }
  symlinkSync("nowhere", join(folder, "link"));
  systemCalls().utimensat(Buffer.from(join(folder, "link")), 1n, 1_000_000_001n, true);
  systemCalls().utimensat(Buffer.from(folder), 5n, 1_690_000_000_000_000_007n, true);
}
