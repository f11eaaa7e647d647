/** What `--debug` tells of each request. */
import type { Step } from "./locals.ts";

/** One line for each request as it comes: its method and its URL, without what could end a line. */
export function reportRequests(debug: (line: string) => void): Step {
  return (request, _response, next) => {
    debug(`${request.method} ${request.url.replaceAll(/[^\x21-\x7e]/g, encodeURIComponent)}`);
    next();
  };
}
