/** Where the time goes: milliseconds by stage. Reading the clock takes 50 ns, so the counters stay in the product. */
export class StageClock {
  readonly #stages = new Map<string, number>();
  #last: number = performance.now();

  /** What follows is counted from here. */
  begin(): void {
    this.#last = performance.now();
  }

  /** Counts the time since the last call of either kind for a stage. */
  end(stage: string): void {
    const now = performance.now();
    this.#stages.set(stage, (this.#stages.get(stage) ?? 0) + now - this.#last);
    this.#last = now;
  }

  get stages(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#stages);
  }
}

/** The sums over several threads. */
export function addStages(...parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const part of parts) {
    for (const [stage, milliseconds] of Object.entries(part)) sums[stage] = (sums[stage] ?? 0) + milliseconds;
  }
  return sums;
}
