/** A profile of where the main thread spends its time, for Chrome's DevTools and everything else that opens a .cpuprofile. */
import { type FileHandle, open } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { CofferError } from "../../shared/errors.ts";

/** A hundred samples a second, as Go's profiler takes them: they are all kept until the end. */
const samplingIntervalUs = 10_000;

export interface CpuProfile {
  /** Ends the measuring and writes the file. Throws `unavailable` when that fails. */
  finish(): Promise<void>;
}

/** Opens the file, so that a wrong name is found now, and begins to measure. Throws `unavailable`. */
export async function startCpuProfile(path: string): Promise<CpuProfile> {
  const file = await open(path, "w").catch((cause: Error) => {
    throw new CofferError("unavailable", `cannot write the CPU profile: ${cause.message}`, { cause });
  });
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: samplingIntervalUs });
  await session.post("Profiler.start");
  return { finish: () => finish(session, file) };
}

async function finish(session: Session, file: FileHandle): Promise<void> {
  try {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    await file.writeFile(JSON.stringify(profile));
    await file.close();
  } catch (cause) {
    throw new CofferError("unavailable", `cannot write the CPU profile: ${(cause as Error).message}`, { cause });
  }
}
