/** `--exclude-if-present` and `--exclude-caches`: a file that says that its folder should not be saved. */
import { CofferError } from "../../shared/errors.ts";
import { type ByteString, folderOfPath, joinPath, nameOfPath, toByteString, toBytes, toDisplay } from "./byte-paths.ts";
import type { SourceFiles } from "./source.ts";

/** The rule that `--exclude-caches` stands for. */
export const cacheTagRule = "CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55";

/** What such a rule needs of the file system. */
type TagSource = Pick<SourceFiles, "linkStatus" | "readBeginning">;

/** The last folders asked about are remembered: the entries of one folder come one after the other. */
const rememberedFolders = 64;

export class TagFileRule {
  readonly #name: ByteString;
  readonly #header: Buffer;
  readonly #source: TagSource;
  readonly #warn: (text: string) => void;
  readonly #tagged = new Map<ByteString, boolean>();

  /** `rule`: NAME or NAME:HEADER. Throws `usage` when the name is missing. */
  constructor(rule: string, source: TagSource, warn: (text: string) => void) {
    if (rule === "") throw new CofferError("usage", "name for exclusion tagfile is empty");
    const colon = rule.indexOf(":");
    const name = colon < 0 ? rule : rule.slice(0, colon);
    if (name === "") throw new CofferError("usage", "no name for exclusion tagfile provided");
    this.#name = toByteString(Buffer.from(name));
    this.#header = Buffer.from(colon < 0 ? "" : rule.slice(colon + 1));
    this.#source = source;
    this.#warn = warn;
  }

  /** True for everything in a tagged folder but the tag itself. */
  rejects(path: ByteString): boolean {
    if (nameOfPath(path) === this.#name) return false;
    const folder = folderOfPath(path);
    let tagged = this.#tagged.get(folder);
    if (tagged === undefined) {
      tagged = this.#isTagged(joinPath(folder, this.#name));
      if (this.#tagged.size >= rememberedFolders) this.#forgetOldest();
      this.#tagged.set(folder, tagged);
    }
    return tagged;
  }

  #forgetOldest(): void {
    for (const folder of this.#tagged.keys()) {
      this.#tagged.delete(folder);
      return;
    }
  }

  #isTagged(tagPath: ByteString): boolean {
    const path = toBytes(tagPath);
    try {
      this.#source.linkStatus(path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "ENOTDIR") {
        this.#warn(`could not access exclusion tagfile: ${(error as Error).message}`);
      }
      return false;
    }
    return this.#header.length === 0 || this.#hasHeader(path, toDisplay(tagPath));
  }

  #hasHeader(path: Buffer, shownPath: string): boolean {
    let beginning: Buffer;
    try {
      beginning = this.#source.readBeginning(path, this.#header.length);
    } catch (error) {
      this.#warn(`could not read signature from exclusion tagfile "${shownPath}": ${(error as Error).message}`);
      return false;
    }
    if (beginning.equals(this.#header)) return true;
    if (beginning.length === 0) this.#warn(`invalid (too short) signature in exclusion tagfile "${shownPath}"`);
    else if (beginning.length < this.#header.length) {
      this.#warn(`could not read signature from exclusion tagfile "${shownPath}": unexpected EOF`);
    } else this.#warn(`invalid signature in exclusion tagfile "${shownPath}"`);
    return false;
  }
}
