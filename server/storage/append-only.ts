/** Append-only: nothing but locks can be removed. Overwriting is refused by every storage anyway. */
import { CofferError } from "../../shared/errors.ts";
import { describeHandle, type FileHandle } from "../../shared/format/layout.ts";
import { StorageWrapper } from "./wrapper.ts";

export class AppendOnlyStorage extends StorageWrapper {
  /** Throws `forbidden` for everything but locks, also for what does not exist. */
  override async remove(handle: FileHandle): Promise<void> {
    if (handle.type !== "locks") {
      throw new CofferError("forbidden", `${describeHandle(handle)} cannot be removed: the server is append-only`);
    }
    await this.inner.remove(handle);
  }
}
