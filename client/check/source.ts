/** What a check needs of a repository. The index files are loaded by the check itself, which judges them. */
import type { FileType, Id } from "../../shared/format/layout.ts";
import type { SealingKey } from "../../shared/format/provider.ts";
import type { Backend, FileInfo } from "../backends/backend.ts";

export interface CheckSource {
  readonly backend: Backend;
  readonly masterKey: SealingKey;
  listFiles(type: FileType): Promise<FileInfo[]>;
  /** Verified and decoded. Throws a typed error when the file is damaged. */
  loadDocument(type: "index" | "snapshots", id: Id, signal?: AbortSignal): Promise<Uint8Array>;
}
