import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CachedBackend } from "../../../client/backends/cache.ts";
import { FaultyBackend } from "../../../client/backends/faults.ts";
import { FetchTransport } from "../../../client/backends/fetch-transport.ts";
import { LimitedBackend } from "../../../client/backends/limit.ts";
import { MemoryBackend } from "../../../client/backends/memory.ts";
import { RateLimitedBackend, RateLimiter } from "../../../client/backends/rate-limit.ts";
import { RestBackend } from "../../../client/backends/rest.ts";
import { RetryBackend } from "../../../client/backends/retry.ts";
import { BackendWrapper } from "../../../client/backends/wrapper.ts";
import { CacheDirectory } from "../../../client/platform/cache-directory.ts";
import { LocalBackend } from "../../../client/platform/local-backend.ts";
import { openBackend } from "../../../client/platform/open-backend.ts";
import { CofferError } from "../../../shared/errors.ts";
import { describeBackend, idOf } from "../../conformance/backend.ts";
import { requirePrograms } from "../../support/programs.ts";
import { startRclone } from "../../support/rclone.ts";
import { batching, MemoryBatchBackend } from "./memory-batches.ts";
import { SimpleServer } from "./simple-server.ts";

async function withFolder<Result>(
  use: (folder: string) => Promise<Result>,
): Promise<{ result: Result; cleanUp: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "coffer-backend-"));
  return { result: await use(folder), cleanUp: () => rm(folder, { recursive: true, force: true }) };
}

const nothingToCleanUp = async (): Promise<void> => undefined;

describeBackend("MemoryBackend", async () => ({ backend: new MemoryBackend(), cleanUp: nothingToCleanUp }));

describeBackend("MemoryBackend with replacement", async () => ({
  backend: new MemoryBackend({ hasAtomicReplace: true }),
  cleanUp: nothingToCleanUp,
}));

describeBackend("LocalBackend", async () => {
  const { result: backend, cleanUp } = await withFolder((folder) =>
    LocalBackend.open(join(folder, "new", "repository")),
  );
  return { backend, cleanUp };
});

describeBackend("RetryBackend", async () => ({
  backend: new RetryBackend(new MemoryBackend()),
  cleanUp: nothingToCleanUp,
}));

describeBackend("LimitedBackend", async () => ({
  backend: new LimitedBackend(new MemoryBackend({ connections: 2 })),
  cleanUp: nothingToCleanUp,
}));

describeBackend("BatchingBackend", async () => ({
  backend: batching(new MemoryBatchBackend({ connections: 2 })),
  cleanUp: nothingToCleanUp,
}));

describeBackend("BatchingBackend on a server that takes no batches", async () => {
  const sender = new MemoryBatchBackend({ connections: 2 });
  sender.saveBatch = async () => {
    throw new CofferError("not-found", "nothing takes batches here");
  };
  return { backend: batching(sender), cleanUp: nothingToCleanUp };
});

describeBackend("RateLimitedBackend", async () => {
  const limiter = new RateLimiter(1e9);
  const backend = new RateLimitedBackend(new MemoryBackend(), { upload: limiter, download: limiter });
  return { backend, cleanUp: nothingToCleanUp };
});

describeBackend("FaultyBackend without faults", async () => ({
  backend: new FaultyBackend(new MemoryBackend(), () => undefined),
  cleanUp: nothingToCleanUp,
}));

describeBackend("CachedBackend over a folder", async () => {
  const { result: backend, cleanUp } = await withFolder(async (folder) => {
    const store = await CacheDirectory.open(join(folder, "cache"), idOf(randomBytes(32)));
    return new CachedBackend(new MemoryBackend(), store);
  });
  return { backend, cleanUp };
});

/** Marks every pack as one of trees, so that the cache takes it in. */
class MetadataOnlyBackend extends BackendWrapper {
  override load: BackendWrapper["load"] = (handle, options) =>
    this.inner.load(handle.type === "config" ? handle : { ...handle, isMetadata: true }, options);

  override save: BackendWrapper["save"] = (handle, body, signal) =>
    this.inner.save(handle.type === "config" ? handle : { ...handle, isMetadata: true }, body, signal);
}

describeBackend("CachedBackend that takes in packs of trees", async () => {
  const { result: backend, cleanUp } = await withFolder(async (folder) => {
    const store = await CacheDirectory.open(join(folder, "cache"), idOf(randomBytes(32)));
    return new MetadataOnlyBackend(new CachedBackend(new MemoryBackend(), store));
  });
  return { backend, cleanUp };
});

describeBackend("The backend opened for a local path", async () => {
  const { result: backend, cleanUp } = await withFolder((folder) => openBackend(`local:${folder}`));
  return { backend, cleanUp };
});

describeBackend("The backend opened for a REST server", async () => {
  const server = await SimpleServer.start();
  return { backend: await openBackend(server.location), cleanUp: () => server.stop() };
});

describeBackend("The backend opened for a REST server with limited rates", async () => {
  const server = await SimpleServer.start();
  const rates = { limitUploadKiBps: 100_000, limitDownloadKiBps: 100_000 };
  return { backend: await openBackend(server.location, rates), cleanUp: () => server.stop() };
});

describeBackend("RestBackend over fetch", async () => {
  const server = await SimpleServer.start();
  const transport = new FetchTransport({ origin: `http://127.0.0.1:${server.port}` });
  const location = server.location;
  const backend = new RestBackend({ transport, location, basePath: "/r/", connections: 5 });
  return { backend, cleanUp: () => server.stop() };
});

describe("rclone's server", () => {
  before(function () {
    requirePrograms(this, "rclone");
  });

  describeBackend(
    "The backend opened for rclone's server",
    async () => {
      const { result: server, cleanUp } = await withFolder(startRclone);
      const backend = await openBackend(`rest:${server.url}repository/`);
      return {
        backend,
        cleanUp: async () => {
          await server.stop();
          await cleanUp();
        },
      };
    },
    { overwritesBecause: "rclone's server overwrites unless it is append-only" },
  );
});
