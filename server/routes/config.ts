/** The configuration: always sent whole, whatever range is asked for. */
import { sendContent } from "../http/send.ts";
import { contentHeaders, fileMethods, removeFile, sendFileSize, storeFile } from "./file.ts";
import type { Exchange, Route } from "./route.ts";

export const configRoute: Route<"config"> = {
  allow: fileMethods,
  methods: { HEAD: sendFileSize, GET: sendConfig, POST: storeFile, DELETE: removeFile },
};

async function sendConfig({ response, storage, resource }: Exchange<"config">): Promise<void> {
  const content = await storage.read(resource.handle);
  try {
    response.writeHead(200, { ...contentHeaders, "Content-Length": String(content.lengthBytes) });
    await sendContent(response, content);
  } finally {
    await content.close();
  }
}
