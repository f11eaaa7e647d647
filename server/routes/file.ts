/** What config and objects have in common. */
import { objectMediaType } from "../../shared/rest/media-types.ts";
import { answerEmpty } from "../http/answers.ts";
import type { Exchange } from "./route.ts";

type FileExchange = Exchange<"config"> | Exchange<"object">;

export const fileMethods = "HEAD, GET, POST, DELETE";

export async function sendFileSize({ response, storage, resource }: FileExchange): Promise<void> {
  const sizeBytes = await storage.stat(resource.handle);
  response.writeHead(200, { "Content-Length": String(sizeBytes) });
  response.end();
}

export async function storeFile({ response, storage, resource }: FileExchange): Promise<void> {
  await storage.put(resource.handle, response.locals.body);
  answerEmpty(response);
}

export async function removeFile({ response, storage, resource }: FileExchange): Promise<void> {
  await storage.remove(resource.handle);
  answerEmpty(response);
}

export const contentHeaders: Readonly<Record<string, string>> = {
  "Content-Type": objectMediaType,
  "X-Content-Type-Options": "nosniff",
};
