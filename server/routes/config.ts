/**
 * The configuration: always sent whole, whatever range is asked for. Every command asks for it first, so its answers tell what this
 * server can do beyond restic's protocol.
 */
import { capabilitiesHeader, encodeBatchCapability } from "../../shared/rest/batch.ts";
import { sendContent } from "../http/send.ts";
import { batchLimits } from "./batch.ts";
import { contentHeaders, fileMethods, removeFile, sendFileSize, storeFile } from "./file.ts";
import type { Exchange, Route } from "./route.ts";

export const configRoute: Route<"config"> = {
  allow: fileMethods,
  methods: { HEAD: announced(sendFileSize), GET: announced(sendConfig), POST: storeFile, DELETE: removeFile },
};

type Method = (exchange: Exchange<"config">) => Promise<void>;

/** Also with the 404 of a repository that is about to be created. */
function announced(method: Method): Method {
  return (exchange) => {
    exchange.response.setHeader(capabilitiesHeader, encodeBatchCapability(batchLimits));
    return method(exchange);
  };
}

async function sendConfig({ response, storage, resource }: Exchange<"config">): Promise<void> {
  const content = await storage.read(resource.handle);
  try {
    response.writeHead(200, { ...contentHeaders, "Content-Length": String(content.lengthBytes) });
    await sendContent(response, content);
  } finally {
    await content.close();
  }
}
