/** `--dry-run`: reads as usual, writes nothing, and says that it did. */
import type { FileHandle } from "../../shared/format/layout.ts";
import { throwIfCancelled } from "./cancellation.ts";
import { checkHandle } from "./ranges.ts";
import { BackendWrapper } from "./wrapper.ts";

export class DryRunBackend extends BackendWrapper {
  override async create(signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal);
  }

  override async save(handle: FileHandle, _body: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
  }

  override async remove(handle: FileHandle, signal?: AbortSignal): Promise<void> {
    checkHandle(handle);
    throwIfCancelled(signal);
  }
}
