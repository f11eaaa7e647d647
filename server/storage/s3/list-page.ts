/** One page of ListObjectsV2. */
import { CofferError } from "../../../shared/errors.ts";
import { readXml } from "./xml.ts";

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** Where the next page begins; absent on the last one. */
  readonly continuation?: string;
}

/** A thousand keys of a thousand bytes, each byte escaped, and what stands around them. */
const largestPageBytes = 8_388_608;
const mostObjects = 10_000;

/** Reads a page. Throws `malformed` for what is not one. */
export async function readListPage(body: AsyncIterable<Uint8Array>): Promise<ListPage> {
  const page = new PageBuilder();
  await readXml(body, largestPageBytes, (path, text) => page.take(path, text));
  return page.finish();
}

class PageBuilder {
  readonly #objects: ListedObject[] = [];
  #key: string | undefined;
  #size: string | undefined;
  #isTruncated: string | undefined;
  #continuation: string | undefined;
  #isEscaped = false;
  #isPage = false;

  take(path: string, text: string): void {
    if (path === "ListBucketResult/Contents/Key") this.#key = text;
    else if (path === "ListBucketResult/Contents/Size") this.#size = text;
    else if (path === "ListBucketResult/Contents") this.#add();
    else if (path === "ListBucketResult/IsTruncated") this.#isTruncated = text;
    else if (path === "ListBucketResult/NextContinuationToken") this.#continuation = text;
    else if (path === "ListBucketResult/EncodingType") this.#isEscaped = text === "url";
    else if (path === "ListBucketResult") this.#isPage = true;
  }

  finish(): ListPage {
    if (!this.#isPage) malformed("expected ListBucketResult, got another element");
    // The element that says how keys are written may stand behind them.
    const objects = this.#isEscaped ? this.#objects.map(unescapeKey) : this.#objects;
    if (this.#isTruncated !== "true") return { objects };
    if (!this.#continuation) return malformed("says that it goes on, but not where");
    return { objects, continuation: this.#continuation };
  }

  #add(): void {
    if (this.#key === undefined || !/^\d{1,15}$/.test(this.#size ?? "")) {
      throw new CofferError("malformed", "a page of the storage's list expected a key and a size of each object");
    }
    if (this.#objects.length >= mostObjects) malformed(`expected at most ${mostObjects} objects`);
    this.#objects.push({ key: this.#key, sizeBytes: Number(this.#size) });
    this.#key = undefined;
    this.#size = undefined;
  }
}

function unescapeKey({ key, sizeBytes }: ListedObject): ListedObject {
  try {
    return { key: decodeURIComponent(key.replaceAll("+", "%20")), sizeBytes };
  } catch {
    return malformed(`has a key with escapes that mean nothing: ${JSON.stringify(key.slice(0, 100))}`);
  }
}

function malformed(message: string): never {
  throw new CofferError("malformed", `a page of the storage's list ${message}`);
}
