/** The resources of a repository, at each of the three depths at which a repository can be. */
import { fileTypes } from "../../shared/format/layout.ts";
import { batchPath } from "../../shared/rest/batch.ts";
import { listMediaTypes, objectMediaType } from "../../shared/rest/media-types.ts";
import type { OpenApiOperation, OpenApiPath, OpenApiPaths, OpenApiResponses } from "./operation.ts";
import { loginProblems, problem, withoutContent } from "./responses.ts";

const folderNames = ["folder", "subfolder"] as const;

const typeParameter = { name: "type", in: "path", required: true, schema: { enum: fileTypes } };
const idParameter = { name: "id", in: "path", required: true, schema: { $ref: "#/components/schemas/ObjectId" } };
const rangeParameter = {
  name: "Range",
  in: "header",
  description: "Byte ranges; several give multipart/byteranges",
  schema: { type: "string", pattern: "^bytes=" },
};

export function repositoryPaths(): OpenApiPaths {
  const paths: Record<string, OpenApiPath> = {};
  for (let depth = 0; depth <= folderNames.length; depth++) {
    const names = folderNames.slice(0, depth);
    const prefix = names.map((name) => `/{${name}}`).join("");
    const folders = names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } }));
    const add = (rest: string, parameters: readonly unknown[], operations: Omit<OpenApiPath, "parameters">): void => {
      paths[prefix + rest] = { parameters: [...folders, ...parameters], ...operations };
    };
    const suffix = ["", "InFolder", "InSubfolder"][depth] ?? "";
    add("/", [], { post: createOperation(suffix) });
    add("/config", [], fileOperations("Config", suffix));
    add("/{type}/", [typeParameter], { get: listOperation(suffix) });
    add("/{type}/{id}", [typeParameter, idParameter], fileOperations("Object", suffix));
    add(`/${batchPath}`, [], { post: batchOperation(suffix) });
  }
  return paths;
}

function operation(
  operationId: string,
  summary: string,
  responses: OpenApiResponses,
  rest: Readonly<Record<string, unknown>> = {},
): OpenApiOperation {
  return { operationId, summary, tags: ["repositories"], ...rest, responses: { ...responses, ...loginProblems } };
}

const noRoom = problem("No room is left, or a quota is used up");
const absent = problem("There is none");
const refusedDeletion = problem("The server is append-only; only locks can be deleted");
const binary = { [objectMediaType]: { schema: { type: "string", format: "binary" } } };

function createOperation(suffix: string): OpenApiOperation {
  const create = { name: "create", in: "query", required: true, schema: { const: "true" } };
  const responses: OpenApiResponses = {
    "200": { description: "They are there, also when they were before" },
    "400": problem("The query is not create=true"),
    "507": noRoom,
  };
  const summary = "Make the folders of a repository; its config is uploaded afterwards";
  return operation(`createRepository${suffix}`, summary, responses, { parameters: [create] });
}

function listOperation(suffix: string): OpenApiOperation {
  const accept = {
    name: "Accept",
    in: "header",
    description: `Version 2 for exactly ${listMediaTypes[2]}, version 1 for everything else`,
    schema: { type: "string" },
  };
  const content = {
    [listMediaTypes[1]]: { schema: { $ref: "#/components/schemas/ListV1" } },
    [listMediaTypes[2]]: { schema: { $ref: "#/components/schemas/ListV2" } },
  };
  const responses: OpenApiResponses = { "200": { description: "All of them", content }, "404": absent };
  const summary = "List the objects of a type, in no particular order";
  return operation(`listObjects${suffix}`, summary, responses, { parameters: [accept] });
}

function fileOperations(kind: "Config" | "Object", suffix: string): Omit<OpenApiPath, "parameters"> {
  const isObject = kind === "Object";
  const name = isObject ? "an object" : "the config";
  const get: OpenApiResponses = {
    "200": { description: "The whole content", content: binary },
    ...(isObject ? partialResponses : {}),
    "404": absent,
  };
  const head: OpenApiResponses = { "200": { description: "Content-Length is its size" }, "404": absent };
  const post: OpenApiResponses = {
    "200": { description: isObject ? "Stored; also when the same content was before" : "Stored" },
    ...(isObject ? { "400": problem("The content does not hash to the id") } : { "404": absent }),
    "403": problem(isObject ? "Other content is stored under the id" : "There is one already"),
    "507": noRoom,
  };
  const remove: OpenApiResponses = { "200": { description: "Gone; also when it was before" }, "403": refusedDeletion };
  const requestBody = { required: true, content: binary };
  const found = operation(`head${kind}${suffix}`, `Find ${name}`, head);
  return {
    get: operation(`get${kind}${suffix}`, `Read ${name}`, get, isObject ? { parameters: [rangeParameter] } : {}),
    head: { ...found, responses: withoutContent(found.responses) },
    post: operation(`store${kind}${suffix}`, `Store ${name}; nothing is ever replaced`, post, { requestBody }),
    delete: operation(`delete${kind}${suffix}`, `Delete ${name}`, remove),
  };
}

/** What concerns one object is said in its result, so the request as a whole cannot fail for the storage's sake. */
function batchOperation(suffix: string): OpenApiOperation {
  const { "500": _, ...login } = loginProblems;
  const requestBody = {
    required: true,
    description: "Files whose fields are named TYPE/ID",
    content: {
      "multipart/form-data": { schema: { type: "object", additionalProperties: { type: "string", format: "binary" } } },
    },
  };
  return {
    operationId: `storeBatch${suffix}`,
    summary: "Store many small objects",
    tags: ["repositories"],
    requestBody,
    responses: {
      "200": {
        description: "What became of each object, in their order",
        content: { "application/json": { schema: { $ref: "#/components/schemas/BatchResults" } } },
      },
      "400": problem("The body is not the form that it should be"),
      "413": problem("More objects or bytes than the server takes at once"),
      ...login,
    },
  };
}

const partialResponses: OpenApiResponses = {
  "206": {
    description: "The part that was asked for",
    content: { ...binary, "multipart/byteranges": { schema: { type: "string", format: "binary" } } },
  },
  "304": { description: "It exists, and If-None-Match is *" },
  "412": problem("If-Match is not *"),
  "416": problem("The range is none, or takes nothing of the content"),
};
