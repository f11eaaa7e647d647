/**
 * Counting again what is stored while uploads and removals go on, in a place where other servers store, too.
 *
 * A list takes a while. Of what this server stores or removes meanwhile, nobody can tell whether the list has seen it. Each time the
 * new count takes what gives more: a limit may refuse too early until the next count, but nothing gets beyond it.
 *
 * | since the count began             | in the new count                                                        |
 * |-----------------------------------|-------------------------------------------------------------------------|
 * | an upload has been stored         | its bytes come on top of the list, which may have them already          |
 * | an upload is under way at the end | so do the bytes that are set aside for it, which may be stored just now |
 * | a removal has ended               | nothing is taken off: the list may have been made without the file      |
 * | a removal is under way at the end | nor is anything when it ends, for the same reason                       |
 *
 * Until it has finished, the old counts go on as if it did not exist, and stay if it fails. A count during which nothing is stored
 * or removed is exact.
 */

export class Recount {
  readonly #repositories = new Map<string, number>();
  #otherBytes = 0;

  /** What belongs to no repository. */
  get otherBytes(): number {
    return this.#otherBytes;
  }

  /** Bytes by the names of repositories. */
  get repositories(): ReadonlyMap<string, number> {
    return this.#repositories;
  }

  /** Counts what the list has, in a repository (by its folders) or outside all of them. */
  record(folders: readonly string[] | undefined, bytes: number): void {
    if (folders === undefined) this.#otherBytes += bytes;
    else this.add(folders.join("/"), bytes);
  }

  /** Counts what the list may lack. */
  add(repository: string, bytes: number): void {
    addBytes(this.#repositories, repository, bytes);
  }
}

/** Changes a sum; one that becomes 0 has no entry. */
export function addBytes(sums: Map<string, number>, name: string, bytes: number): void {
  const sum = (sums.get(name) ?? 0) + bytes;
  if (sum === 0) sums.delete(name);
  else sums.set(name, sum);
}
