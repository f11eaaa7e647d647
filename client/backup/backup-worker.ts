/** The entry of a worker thread: takes tasks one after the other, each from reading to packs. */
import { parentPort, workerData } from "node:worker_threads";
import { CofferError } from "../../shared/errors.ts";
import { SealEngine } from "../platform/seal-engine.ts";
import { BlobStore } from "./blob-store.ts";
import { ContentReader, segmentBytes } from "./content-reader.ts";
import { plainError } from "./failures.ts";
import type { WorkerReply, WorkerRequest, WorkerSettings } from "./messages.ts";
import { StageClock } from "./stage-clock.ts";

const port = parentPort;
if (port === null) throw new CofferError("internal", "the backup worker expected to run in a worker thread");

const settings: WorkerSettings = workerData;
const reply = (message: WorkerReply): void => port.postMessage(message);
const clock = new StageClock();
const engine = new SealEngine(settings.kernelsModule, segmentBytes);
engine.open(settings.key);
engine.kernels.chunkerInit(settings.polynomial);
const store = new BlobStore(settings, engine, clock, reply);
const reader = new ContentReader(engine, store, clock);

port.on("message", (request: WorkerRequest) => {
  try {
    handle(request);
  } catch (error) {
    reply({ kind: "failed", error: plainError(error) });
  }
});

function handle(request: WorkerRequest): void {
  if (request.kind === "batch") reply(reader.readBatch(request));
  else if (request.kind === "segment") reply(reader.readSegment(request, reply));
  else if (request.kind === "memory") reply(reader.readMemory(request, reply));
  else if (request.kind === "finish") finish();
  else port?.close();
}

function finish(): void {
  store.finish();
  reply({ kind: "finished", stages: clock.stages });
  port?.close();
}
