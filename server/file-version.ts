/** Telling whether a file was changed. */
import { stat } from "node:fs/promises";

/** Equal for equal content, as far as the file system can tell. Rejects with the error of the system for a file that cannot be looked at. */
export async function versionOfFile(path: string): Promise<string> {
  const { ino, mtimeNs, size } = await stat(path, { bigint: true });
  return `${ino} ${mtimeNs} ${size}`;
}
