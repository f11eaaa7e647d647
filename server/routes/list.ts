/** Lists of the files of one type, sent while the folder is still being read. */
import { ListEncoder } from "../../shared/rest/lists.ts";
import { listMediaTypes, listVersionFor } from "../../shared/rest/media-types.ts";
import { sendChunk } from "../http/send.ts";
import type { StoredFile } from "../storage/storage.ts";
import type { Exchange, Route } from "./route.ts";

export const listRoute: Route<"list"> = { allow: "GET", methods: { GET: sendList } };

async function sendList({ request, response, storage, resource }: Exchange<"list">): Promise<void> {
  const version = listVersionFor(request.headers.accept);
  const encoder = new ListEncoder(version);
  let isBegun = false;
  // Written as late as possible: until the first batch is there, the list can still turn out not to exist.
  const begin = (): void => {
    if (!isBegun) response.vary("Accept").writeHead(200, { "Content-Type": listMediaTypes[version] });
    isBegun = true;
  };
  for await (const files of storage.list(resource.type)) {
    begin();
    if (files.length > 0) await sendChunk(response, encodeFiles(encoder, files));
  }
  begin();
  response.end(encoder.encodeEnd());
}

function encodeFiles(encoder: ListEncoder, files: readonly StoredFile[]): string {
  let text = "";
  for (const { id, sizeBytes } of files) text += encoder.encodeEntry({ name: id, sizeBytes });
  return text;
}
