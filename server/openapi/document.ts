/** The HTTP interface of the server as an OpenAPI 3.1 document. A test compares it with what the server does. */
import { versionNumber } from "../version.ts";
import type { OpenApiPaths } from "./operation.ts";
import { pagePaths } from "./page-paths.ts";
import { repositoryPaths } from "./repository-paths.ts";
import { schemas } from "./schemas.ts";

export interface OpenApiDocument {
  readonly openapi: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: OpenApiPaths;
  readonly [member: string]: unknown;
}

const description = `restic's REST protocol, versions 1 and 2, and the server's own pages.

Every path of a repository may have no, one or two folders before it. Every answer to a request that the server refuses is a line of plain
text. Paths with empty or dot segments are answered with 307, a path that leads to nothing with 404 (401 without credentials), another
method with 405, requests from pages of other sites with 403, unless their origin was allowed.`;

/** The whole document; a plain value that JSON can tell. */
export function openApiDocument(): OpenApiDocument {
  return {
    openapi: "3.1.0",
    info: {
      title: "Coffer server",
      version: versionNumber,
      description,
      license: { name: "BSD-2-Clause", identifier: "BSD-2-Clause" },
    },
    tags: [
      { name: "repositories", description: "Files of repositories. What is in them, only clients know." },
      { name: "server", description: "About the server itself." },
    ],
    security: [{ basic: [] }, {}],
    paths: { ...repositoryPaths(), ...pagePaths() },
    components: {
      securitySchemes: {
        basic: { type: "http", scheme: "basic", description: "Needed unless the server was started with --no-auth." },
      },
      schemas,
    },
  };
}
