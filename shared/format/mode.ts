/**
 * Mode bits as Go has them: the permissions are those of Unix, type and special bits are others. Results are never
 * negative, although a folder has bit 31 set. Source: the section on mode bits of docs/format.md.
 */

/** Go's bits. Those that have no counterpart in Unix (append-only, exclusive, temporary) are never stored. */
const goModeBits = {
  directory: 0x8000_0000,
  symlink: 0x0800_0000,
  device: 0x0400_0000,
  namedPipe: 0x0200_0000,
  socket: 0x0100_0000,
  setuid: 0x0080_0000,
  setgid: 0x0040_0000,
  characterDevice: 0x0020_0000,
  sticky: 0x0010_0000,
  irregular: 0x0008_0000,
} as const;

const unixTypeMask = 0o170000;
const permissionMask = 0o777;
const unixSetuid = 0o4000;
const unixSetgid = 0o2000;
const unixSticky = 0o1000;
const unixRegular = 0o100000;

/** Pairs of a file type in `st_mode` and Go's bits for it. */
const types: readonly (readonly [number, number])[] = [
  [unixRegular, 0],
  [0o040000, goModeBits.directory],
  [0o120000, goModeBits.symlink],
  [0o060000, goModeBits.device],
  [0o020000, goModeBits.device + goModeBits.characterDevice],
  [0o010000, goModeBits.namedPipe],
  [0o140000, goModeBits.socket],
];

const goTypeMask =
  goModeBits.directory +
  goModeBits.symlink +
  goModeBits.device +
  goModeBits.namedPipe +
  goModeBits.socket +
  goModeBits.characterDevice +
  goModeBits.irregular;

/** Go's mode of an `st_mode`. A type that Unix does not have becomes irregular. */
export function goModeOf(unixMode: number): number {
  const type = types.find(([unixType]) => unixType === (unixMode & unixTypeMask))?.[1] ?? goModeBits.irregular;
  let mode = type + (unixMode & permissionMask);
  if (unixMode & unixSetuid) mode += goModeBits.setuid;
  if (unixMode & unixSetgid) mode += goModeBits.setgid;
  if (unixMode & unixSticky) mode += goModeBits.sticky;
  return mode;
}

/** The `st_mode` of a mode of Go's. What Unix does not have counts as a regular file. */
export function unixModeOf(goMode: number): number {
  const goType = (goMode & goTypeMask) >>> 0;
  const unixType = types.find(([, type]) => type === goType)?.[0] ?? unixRegular;
  let mode = unixType | (goMode & permissionMask);
  if (goMode & goModeBits.setuid) mode |= unixSetuid;
  if (goMode & goModeBits.setgid) mode |= unixSetgid;
  if (goMode & goModeBits.sticky) mode |= unixSticky;
  return mode;
}

/** One letter for each bit from 31 down to 19. */
const bitLetters = "dalTLDpSugct?";
const permissionLetters = "rwxrwxrwx";

/** `-rwxr-xr-x`, `drwxr-xr-x`, `Lrwxrwxrwx`, `Dcrw-rw----`, `urwxr-xr-x`: letters of the bits set, then permissions. */
export function formatMode(goMode: number): string {
  const special = Array.from(bitLetters).filter((_, index) => isBitSet(goMode, 31 - index));
  const permissions = Array.from(permissionLetters, (letter, index) => (isBitSet(goMode, 8 - index) ? letter : "-"));
  return (special.join("") || "-") + permissions.join("");
}

function isBitSet(value: number, bit: number): boolean {
  return ((value >>> bit) & 1) === 1;
}
