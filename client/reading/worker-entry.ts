/** Worker threads are not imported, so nothing rewrites their file names when the program is built. */
import { extname } from "node:path";

/** The URL of a worker's module: `path` without extension, relative to the module with the URL `base`. */
export function workerEntry(path: string, base: string): URL {
  return new URL(`${path}${extname(new URL(base).pathname)}`, base);
}
