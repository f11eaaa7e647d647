/** The server's own pages: everything below `/-/`, where no repository can be. Nobody has to log in for them. */
import { batchPath } from "../../shared/rest/batch.ts";
import { answerProblem } from "../http/answers.ts";
import type { Step } from "../http/locals.ts";
import { openApiDocument } from "../openapi/document.ts";
import { type Capabilities, describeCapabilities } from "./capabilities.ts";
import { answerPage, jsonPage, type Page, setPageHeaders } from "./page.ts";
import type { Readiness } from "./readiness.ts";

export interface ServerPages {
  /** Absent: the server is ready as soon as it listens. */
  readonly readiness?: Readiness;
  readonly capabilities?: Capabilities;
}

/** The pages by their paths. */
export function serverPages({ readiness, capabilities = {} }: ServerPages): ReadonlyMap<string, Page> {
  return new Map<string, Page>([
    ["/-/health/live", () => jsonPage({ status: "alive" })],
    [
      "/-/health/ready",
      async () => {
        const report = (await readiness?.check()) ?? { status: "ready" };
        return jsonPage(report, report.status === "ready" ? 200 : 503);
      },
    ],
    ["/-/capabilities", () => jsonPage(describeCapabilities(capabilities))],
    ["/-/openapi.json", () => jsonPage(openApiDocument())],
  ]);
}

/** Answers everything below `/-/`, but for the batches of the repository that is the data folder itself. */
export function servePages(pages: ReadonlyMap<string, Page>): Step {
  return async (request, response, next) => {
    const { path } = response.locals.target;
    if (!path.startsWith("/-/") || path === `/${batchPath}`) return next();
    setPageHeaders(response);
    const page = pages.get(path);
    if (page === undefined) return answerProblem(response, 404);
    await answerPage(request, response, page);
  };
}
