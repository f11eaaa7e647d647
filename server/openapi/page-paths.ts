/** The server's own pages. */
import type { OpenApiPath, OpenApiPaths, OpenApiResponse, OpenApiResponses } from "./operation.ts";
import { loginProblems, withoutContent } from "./responses.ts";

export function pagePaths(): OpenApiPaths {
  return {
    "/-/health/live": publicPage("Liveness", "Whether the process answers", {
      "200": json("Liveness", "It does"),
    }),
    "/-/health/ready": publicPage("Readiness", "Whether something can be stored right now", {
      "200": json("Readiness", "It can"),
      "503": json("Readiness", "It cannot: the storage fails, or less space is free than demanded"),
    }),
    "/-/capabilities": publicPage("Capabilities", "Version, capabilities and limits", {
      "200": json("Capabilities", "What clients can rely on"),
    }),
    "/-/openapi.json": publicPage("OpenApi", "This document", {
      "200": { description: "OpenAPI 3.1", content: { "application/json": { schema: { type: "object" } } } },
    }),
    "/metrics": pathOf("Metrics", metricsSummary, { "200": metricsText, ...loginProblems }, {}),
  };
}

const metricsSummary =
  "Metrics for Prometheus; only with --prometheus. With --private-repos for the user `metrics`, with --prometheus-no-auth for everybody";

const metricsText: OpenApiResponse = {
  description: "The text format of Prometheus",
  content: { "text/plain; version=0.0.4; charset=utf-8": { schema: { type: "string" } } },
};

function publicPage(name: string, summary: string, responses: OpenApiResponses): OpenApiPath {
  return pathOf(name, summary, responses, { security: [] });
}

function pathOf(
  name: string,
  summary: string,
  responses: OpenApiResponses,
  rest: Readonly<Record<string, unknown>>,
): OpenApiPath {
  const common = { summary, tags: ["server"], ...rest };
  return {
    get: { operationId: `get${name}`, ...common, responses },
    head: { operationId: `head${name}`, ...common, responses: withoutContent(responses) },
  };
}

function json(schema: string, description: string): OpenApiResponse {
  return { description, content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } } };
}
