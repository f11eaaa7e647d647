/** Puts the storage on S3 together: settings, connections, what the store can do, repositories. */
import type { NameTurns } from "../name-turns.ts";
import type { StoredUsage } from "../storage.ts";
import { Bucket } from "./bucket.ts";
import { type Capabilities, describeCapabilities, probeBucket } from "./probe.ts";
import { defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
import { S3Repositories } from "./s3-storage.ts";
import type { S3Settings } from "./settings.ts";
import { Transport } from "./transport.ts";
import { measureBucket } from "./usage.ts";

export interface S3Limits {
  readonly retries?: RetryPolicy;
  /** For a request as a whole, without its content. */
  readonly deadlineMs?: number;
  /** For a connection on which nothing moves. */
  readonly stallMs?: number;
}

export interface OpenedS3 {
  readonly repositories: S3Repositories;
  readonly capabilities: Capabilities;
  /** What is stored. Takes a request for every thousand objects; throws `unavailable`. */
  usage(): AsyncIterable<StoredUsage>;
  /** Throws `unavailable` when the bucket cannot be reached. */
  readiness(): Promise<void>;
  close(): Promise<void>;
}

const readinessDeadlineMs = 5_000;

/** Reaches the store and finds out what it can do. Throws `unavailable` when it cannot be used. */
export async function openS3(
  settings: S3Settings,
  spoolFolder: string,
  log: (line: string) => void,
  limits: S3Limits = {},
  turns?: NameTurns,
): Promise<OpenedS3> {
  const transport = await Transport.open(settings, limits);
  const { retries = defaultRetryPolicy, ...others } = limits;
  const bucket = new Bucket(transport, { ...others, retries });
  try {
    const capabilities = await probeBucket(bucket, settings.prefix);
    for (const line of describeCapabilities(capabilities)) log(line);
    return {
      repositories: new S3Repositories({ bucket, prefix: settings.prefix, capabilities, spoolFolder, turns }),
      capabilities,
      usage: () => measureBucket(bucket, settings.prefix),
      readiness: () => bucket.ask(readinessDeadlineMs),
      close: () => bucket.close(),
    };
  } catch (error) {
    await bucket.close();
    throw error;
  }
}
