/** Answers that many operations have. */
import type { OpenApiResponse, OpenApiResponses } from "./operation.ts";

const text = { "text/plain; charset=utf-8": { schema: { type: "string" } } };

/** A line of plain text, by default the phrase of the status. */
export function problem(description: string, headers?: Readonly<Record<string, unknown>>): OpenApiResponse {
  return { description, content: text, ...(headers === undefined ? {} : { headers }) };
}

const retryAfter = {
  "Retry-After": { description: "Seconds until another attempt makes sense", schema: { type: "integer", minimum: 1 } },
};

/** Of everything for which somebody has to log in. */
export const loginProblems: OpenApiResponses = {
  "401": problem("No or wrong credentials, or a repository of somebody else with --private-repos"),
  "429": problem("Too many wrong passwords: these were not looked at", retryAfter),
  "500": problem("The server could not do it"),
  "503": problem("Too much to do at the moment", retryAfter),
};

/** What HEAD has of the answers to GET: the same without a body. */
export function withoutContent(responses: OpenApiResponses): OpenApiResponses {
  const entries = Object.entries(responses).map(([status, { content: _content, ...rest }]) => [status, rest] as const);
  return Object.fromEntries(entries);
}
