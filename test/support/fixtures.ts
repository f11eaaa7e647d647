/** The repositories under test/fixtures/repositories, made by real restic, and what their manifests say about them. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Id } from "../../shared/format/layout.ts";
import type { SealingKey } from "../../shared/format/provider.ts";

export const fixtureNames = ["v1", "v2", "v1-pruned-upgraded-to-v2", "v2-0.19"] as const;

export type FixtureName = (typeof fixtureNames)[number];

export interface Fixture {
  readonly name: FixtureName;
  readonly manifest: Manifest;
  /** Content by path relative to the repository, as in layout.ts. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The decoded master key of the manifest. */
  readonly masterKey: SealingKey;
  /** True when restic 0.14 wrote it, whose documents differ in a few points from what 0.19 writes. */
  readonly isOld: boolean;
}

export interface Manifest {
  readonly made_with: string;
  readonly keys: readonly {
    readonly id: Id;
    readonly password: string;
    readonly created: string;
    readonly username: string;
    readonly hostname: string;
    readonly kdf: string;
    readonly N: number;
    readonly r: number;
    readonly p: number;
  }[];
  readonly repository: { readonly version: 1 | 2; readonly id: Id; readonly chunker_polynomial: string };
  readonly master_key: { readonly mac: { readonly k: string; readonly r: string }; readonly encrypt: string };
  readonly snapshots: readonly {
    readonly id: Id;
    readonly plaintext: string;
    readonly document: Readonly<Record<string, unknown>>;
  }[];
  readonly indexes: readonly {
    readonly id: Id;
    readonly plain_first_byte: number;
    readonly document: {
      readonly supersedes?: readonly Id[];
      readonly packs: readonly { readonly id: Id; readonly blobs: readonly ManifestBlob[] }[];
    };
  }[];
  readonly packs: readonly {
    readonly id: Id;
    readonly size: number;
    readonly header_length: number;
    readonly blobs: readonly ManifestBlob[];
  }[];
  readonly entries_by_snapshot: Readonly<Record<Id, readonly ManifestEntry[] | { readonly same_as: Id }>>;
}

export interface ManifestBlob {
  readonly type: "data" | "tree";
  readonly id: Id;
  readonly offset: number;
  readonly length: number;
  readonly uncompressed_length?: number;
}

/** One entry of a backed-up folder, read from the disk when the fixture was made. */
export interface ManifestEntry {
  readonly path_base64: string;
  readonly name_in_tree: string;
  readonly type: string;
  readonly in_snapshot?: false;
  readonly unix_mode: string;
  readonly go_mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  readonly mtime: string;
  readonly mtime_ns: string;
  readonly ctime: string;
  readonly inode: string;
  readonly device_id: string;
  readonly links: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly content?: readonly Id[];
  readonly chunk_lengths?: readonly number[];
  readonly linktarget_base64?: string;
  readonly linktarget_raw_in_tree?: string;
  readonly xattrs?: Readonly<Record<string, string>>;
  readonly xattr_order?: readonly string[];
  readonly device?: number;
  readonly subtree?: Id;
}

const folder = new URL("../fixtures/repositories/", import.meta.url);
const loaded = new Map<FixtureName, Fixture>();

/** Unpacked in memory, once per process. */
export function readFixture(name: FixtureName): Fixture {
  let fixture = loaded.get(name);
  if (fixture === undefined) {
    fixture = loadFixture(name);
    loaded.set(name, fixture);
  }
  return fixture;
}

/** The entries of a snapshot, also where the manifest says that they are those of another. */
export function entriesOf(manifest: Manifest, snapshotId: Id): readonly ManifestEntry[] {
  const entries = manifest.entries_by_snapshot[snapshotId];
  if (entries === undefined) throw new Error(`no entries of snapshot ${snapshotId}`);
  return "same_as" in entries ? entriesOf(manifest, entries.same_as) : entries;
}

/** The files of one type, by id. */
export function filesOfType(fixture: Fixture, type: string): Map<Id, Uint8Array> {
  const files = new Map<Id, Uint8Array>();
  for (const [path, content] of fixture.files) {
    if (path.startsWith(`${type}/`)) files.set(path.slice(-64), content);
  }
  return files;
}

function loadFixture(name: FixtureName): Fixture {
  const manifest: Manifest = JSON.parse(readFileSync(new URL(`${name}.manifest.json`, folder), "utf8"));
  const archive = gunzipSync(readFileSync(new URL(`${name}.tar.gz`, folder)));
  const { mac, encrypt } = manifest.master_key;
  return {
    name,
    manifest,
    files: readTar(archive, "repo/"),
    masterKey: { encrypt: bytesOf(encrypt), mac: { k: bytesOf(mac.k), r: bytesOf(mac.r) } },
    isOld: manifest.made_with.startsWith("restic 0.14"),
  };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

/** The regular files of a tar archive whose names begin with `prefix`, which is cut off. */
function readTar(archive: Uint8Array, prefix: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (start: number, end: number): string =>
    Buffer.from(archive.subarray(start, end)).toString("latin1").replace(/\0.*$/s, "");
  for (let offset = 0; archive[offset] !== 0; ) {
    const path = text(offset, offset + 100);
    const sizeBytes = Number.parseInt(text(offset + 124, offset + 136), 8);
    const isRegular = ["0", ""].includes(text(offset + 156, offset + 157));
    const content = archive.slice(offset + 512, offset + 512 + sizeBytes);
    if (isRegular && path.startsWith(prefix)) files.set(path.slice(prefix.length), Uint8Array.from(content));
    offset += 512 + Math.ceil(sizeBytes / 512) * 512;
  }
  return files;
}
