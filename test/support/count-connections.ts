/**
 * Preloaded into a server process (`node --import`): counts the TCP connections that it accepts and answers each
 * message of its parent with the count. Costs nothing on the data path, unlike a proxy in between.
 */
import { subscribe } from "node:diagnostics_channel";

let acceptedConnections = 0;
subscribe("net.server.socket", () => {
  acceptedConnections += 1;
});

process.on("message", () => {
  process.send?.({ acceptedConnections });
});
// The channel to the parent must not keep the server alive when it is told to stop.
process.channel?.unref();
