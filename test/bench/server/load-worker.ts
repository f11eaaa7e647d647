/** The process that makes the load: takes one order at a time from its parent and answers with what it took. */
import { LoadClient } from "./client.ts";
import { type LoadOrder, workOf } from "./works.ts";

export interface LoadResult {
  readonly seconds: number;
  readonly openedConnections: number;
  /** Of the load itself. */
  readonly cpuSeconds: number;
  readonly medianMs: number;
  /** 99 of 100 requests took no longer. */
  readonly p99Ms: number;
}

export type LoadReply = { readonly result: LoadResult } | { readonly error: string };

process.on("message", (order: LoadOrder) => {
  run(order).then(
    (result) => process.send?.({ result } satisfies LoadReply),
    (error: Error) => process.send?.({ error: `${order.work}: ${error.message}` } satisfies LoadReply),
  );
});

async function run(order: LoadOrder): Promise<LoadResult> {
  const { connections, requests, url } = order;
  // Before the clock runs: the first time, it makes and hashes all objects.
  const work = workOf(order);
  const client = new LoadClient(url, connections);
  const latenciesMs = new Float64Array(requests);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < requests; i = next++) {
      const begunMs = performance.now();
      await work(client, i);
      latenciesMs[i] = performance.now() - begunMs;
    }
  };
  const cpuBefore = process.cpuUsage();
  const begunMs = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - begunMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  await client.close();
  latenciesMs.sort();
  return {
    seconds,
    openedConnections: client.openedConnections,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    medianMs: latenciesMs[Math.floor(requests * 0.5)] ?? Number.NaN,
    p99Ms: latenciesMs[Math.floor(requests * 0.99)] ?? Number.NaN,
  };
}
