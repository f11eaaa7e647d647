/** Finds out which address a request comes from. */
import { normalizeAddress } from "../network/ip-address.ts";
import type { Step } from "./locals.ts";
import { socketFilePeer, type TrustedProxies } from "./trusted-proxies.ts";

/** Without trusted proxies, the client is who is connected. `log` is told once when it looks as if a proxy were missing. */
export function identifyClient(trustedProxies: TrustedProxies | undefined, log: (line: string) => void): Step {
  let isAdviceGiven = trustedProxies !== undefined;
  return (request, response, next) => {
    const peer = request.socket.remoteAddress;
    const peerAddress = peer === undefined ? socketFilePeer : (normalizeAddress(peer) ?? socketFilePeer);
    if (!isAdviceGiven && request.headers["x-forwarded-for"] !== undefined && isLoopback(peerAddress)) {
      isAdviceGiven = true;
      log(
        `Requests seem to come through a proxy at ${peerAddress}: name it with --trusted-proxies, or all clients look like one`,
      );
    }
    response.locals.clientAddress = trustedProxies?.clientOf(peerAddress, request.headers) ?? peerAddress;
    next();
  };
}

function isLoopback(address: string): boolean {
  return address === socketFilePeer || address === "::1" || address.startsWith("127.");
}
