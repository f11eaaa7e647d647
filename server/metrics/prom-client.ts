/** The library for metrics as types: it takes its time to load, so only those who want metrics load it. */
import type { Registry } from "prom-client";

export type PromClient = typeof import("prom-client");

/** All metrics of one process, as the library hands them on. They survive a structured clone. */
export type ProcessMetrics = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;
