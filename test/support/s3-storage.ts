/** The storage on a fake S3 store, with retries that take no time. */
import { type OpenedS3, openS3, type S3Limits } from "../../server/storage/s3/open-s3.ts";
import { defaultRetryPolicy, type RetryPolicy } from "../../server/storage/s3/retry.ts";
import { parseS3Settings } from "../../server/storage/s3/settings.ts";
import { FakeS3, type FakeS3Settings } from "./fake-s3.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

export const promptRetries: RetryPolicy = { ...defaultRetryPolicy, pause: async () => undefined };

export interface S3Scene {
  readonly store: FakeS3;
  readonly opened: OpenedS3;
  readonly log: readonly string[];
  readonly spoolFolder: TemporaryFolder;
  close(): Promise<void>;
}

export async function openScene(
  settings: FakeS3Settings = {},
  limits: S3Limits = {},
  prefix = "/a prefix+ü",
): Promise<S3Scene> {
  const store = await FakeS3.start(settings);
  const spoolFolder = makeTemporaryFolder("spool");
  const log: string[] = [];
  const close = async (opened?: OpenedS3): Promise<void> => {
    await opened?.close();
    await store.stop();
    spoolFolder.remove();
  };
  try {
    const location = parseS3Settings(store.location + prefix, store.environment);
    const report = (line: string): void => void log.push(line);
    const opened = await openS3(location, spoolFolder.path, report, { retries: promptRetries, ...limits });
    return { store, opened, log, spoolFolder, close: () => close(opened) };
  } catch (error) {
    await close();
    throw error;
  }
}
