/**
 * The cache in a folder, laid out as restic's is, so that both programs use one: `<base>/<repository id>/{snapshots,index,data}/<first
 * two digits>/<id>`, whole files as they are stored. Source: docs/format.md, "Cache".
 */

import { randomInt } from "node:crypto";
import { constants } from "node:fs";
import {
  mkdir,
  type FileHandle as OpenFile,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CofferError } from "../../shared/errors.ts";
import { type Id, isId } from "../../shared/format/layout.ts";
import type { LoadOptions } from "../backends/backend.ts";
import { type CachedFile, type CachedType, type CacheStore, cachedTypes } from "../backends/cache.ts";
import { checkRange, lengthInFile, memoryFor } from "../backends/ranges.ts";
import { makeFolders } from "./make-folders.ts";
import { readFully } from "./read-fully.ts";
import { hasSystemCode } from "./system-errors.ts";

const version = 1;
const tagText = "Signature: 8a477f597d28d172789f06886806bc55\n";
const folderMode = 0o700;
const fileMode = 0o600;

export class CacheDirectory implements CacheStore {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * The cache of one repository below `base`; made when absent, marked as used now. Throws `unsupported` when a later program keeps
   * it in another form: then work goes on without a cache.
   */
  static async open(base: string, repositoryId: Id): Promise<CacheDirectory> {
    const path = join(base, repositoryId);
    for (const type of cachedTypes) makeFolders(join(path, type), folderMode);
    await writeIfAbsent(join(base, "CACHEDIR.TAG"), tagText);
    await checkVersion(path);
    const now = new Date();
    await utimes(path, now, now);
    return new CacheDirectory(path);
  }

  async load(file: CachedFile, options: LoadOptions): Promise<Uint8Array | undefined> {
    checkRange(options.range);
    const opened = await openIfPresent(this.#pathOf(file));
    if (opened === undefined) return undefined;
    try {
      const lengthBytes = lengthInFile(file, options.range, (await opened.stat()).size);
      const memory = memoryFor(file, lengthBytes, options.into);
      await readFully(opened, memory, options.range?.offsetBytes ?? 0, options.signal);
      return memory;
    } finally {
      await opened.close();
    }
  }

  async save(file: CachedFile, body: Uint8Array): Promise<void> {
    const path = this.#pathOf(file);
    const folder = dirname(path);
    makeFolders(folder, folderMode);
    const temporaryPath = join(folder, `tmp-${randomInt(2 ** 47)}`);
    try {
      await writeFile(temporaryPath, body, { flag: "wx", mode: fileMode });
      await rename(temporaryPath, path);
    } catch (error) {
      await rm(temporaryPath, { force: true });
      throw error;
    }
  }

  async remove(file: CachedFile): Promise<boolean> {
    try {
      await unlink(this.#pathOf(file));
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  async list(type: CachedType): Promise<Id[]> {
    const folder = join(this.path, type);
    const shards = await Promise.all((await namesIn(folder)).map((shard) => namesIn(join(folder, shard))));
    return shards.flat().filter(isId);
  }

  #pathOf({ type, id }: CachedFile): string {
    return join(this.path, type, id.slice(0, 2), id);
  }
}

/** The folder that holds all caches, unless the user names one: where this system's programs keep what can be made again. */
export function defaultCacheBase(environment: NodeJS.ProcessEnv): string {
  const named = environment["RESTIC_CACHE_DIR"];
  if (named) return named;
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "restic");
  if (process.platform === "win32") return join(environment["LOCALAPPDATA"] ?? homedir(), "restic");
  return join(environment["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "restic");
}

/** A fresh, empty base for a command that must not trust earlier copies. Whoever makes it removes it. */
export async function createTemporaryCacheBase(parent: string): Promise<string> {
  makeFolders(parent, folderMode);
  const path = join(parent, `restic-check-cache-${randomInt(2 ** 31)}`);
  await mkdir(path, { mode: folderMode });
  return path;
}

/** Caches below `base` that nobody has used for so long, by path. */
export async function findOldCaches(base: string, maximumAgeMs: number, nowMs: number): Promise<string[]> {
  const old: string[] = [];
  for (const name of await namesIn(base)) {
    if (!isId(name) && !/^restic-check-cache-\d+$/.test(name)) continue;
    const path = join(base, name);
    const usedMs = await stat(path).then(
      (status) => status.mtimeMs,
      () => nowMs,
    );
    if (nowMs - usedMs > maximumAgeMs) old.push(path);
  }
  return old;
}

async function checkVersion(path: string): Promise<void> {
  const file = join(path, "version");
  await writeIfAbsent(file, String(version));
  const text = await readFile(file, "utf8");
  if (!/^\d{1,9}$/.test(text.trim()) || Number(text) > version) {
    const message = `cache ${path}: expected version ${version}, got "${text.slice(0, 20)}"; remove the folder to begin a new one`;
    throw new CofferError("unsupported", message);
  }
}

async function writeIfAbsent(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: "wx", mode: 0o644 });
  } catch (error) {
    if (!hasSystemCode(error, "EEXIST")) throw error;
  }
}

async function openIfPresent(path: string): Promise<OpenFile | undefined> {
  try {
    return await open(path, constants.O_RDONLY);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return hasSystemCode(error, "ENOENT", "ENOTDIR");
}
