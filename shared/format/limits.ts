/**
 * Every size and count that bounds the format, in one place. A number read from data is compared with its limit before
 * anything of that size is allocated. Sources: docs/format.md, sections 2.3, 3.3, 4.2, 4.3, 4.5, 5 and 8.
 */
const mebibyte = 1024 * 1024;

// Chunks (3.3): fixed, and recorded nowhere.

/** The shortest chunk, except a file's last. */
export const minChunkBytes: number = 512 * 1024;
/** The longest chunk. */
export const maxChunkBytes: number = 8 * mebibyte;

// Packs (4.2, 4.3).

/** The longest sealed pack header; its length field is not counted. */
export const maxPackHeaderBytes: number = 16 * mebibyte;
/** The length field that ends a pack. */
export const packLengthFieldBytes = 4;
/** Below this no pack can hold an entry. */
export const minPackBytes = 73;
/** Offsets and lengths inside a pack have 32 bits. */
export const maxPackBytes = 0xffff_ffff;
/** The size at which a pack counts as full, unless `--pack-size` says another. */
export const defaultPackSizeBytes: number = 16 * mebibyte;
/** Entries of a pack header that are fetched with the first request for it. */
export const eagerHeaderEntries = 15;

// Blobs (4.2, 4.5).

/** The longest blob, sealed or plain: its length has 32 bits. */
export const maxBlobBytes = 0xffff_ffff;
/** The longest tree blob that this program decodes: JSON text must fit one JavaScript string. */
export const maxTreeBytes: number = 512 * mebibyte - 32;
/** Neighbouring blobs are fetched by one request unless the gap between them is larger than this. */
export const maxRangeGapBytes: number = mebibyte;

// Documents: snapshots, locks, index files, config, keys (2.4, 5).

/** The longest decoded snapshot, lock, index or config: JSON text must fit one JavaScript string. */
export const maxDocumentBytes: number = 512 * mebibyte - 32;
/** The longest key file; restic's have less than 600 bytes. */
export const maxKeyFileBytes: number = 64 * 1024;
/** An index file with this many blobs is full. */
export const fullIndexBlobs = 50_000;
/** Keys that are tried with a password before the search gives up; a key that was hinted at is not counted. */
export const maxKeysTried = 20;

// Compression (8).

/** The base-2 logarithm of the largest window a frame may ask for: 128 MiB. */
export const maxZstdWindowLog = 27;

// scrypt (2.3). The format allows N * r up to 2^24 and any p; these bounds keep a forged key file from taking all
// memory or hours of time. restic's own keys need 32 MiB (64 MiB in old repositories) and N * r * p below 2^23.

/** The largest 128 * N * r. */
export const maxScryptMemoryBytes: number = 1024 * mebibyte;
/** The largest N * r * p: about a minute of one core. */
export const maxScryptWork: number = 2 ** 28;
