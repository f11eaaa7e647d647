/** Addresses to listen on. */
import type { Server } from "node:net";
import { CofferError } from "../../shared/errors.ts";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly host?: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** A socket that somebody else has opened and bound for this process. */
  | { readonly kind: "descriptor"; readonly descriptor: number };

/** `HOST:PORT`, `[HOST]:PORT`, `:PORT` (all interfaces) or `unix:PATH`. Throws `usage`. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path !== "") return { kind: "unix", path };
  }
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  if (match === null || port > 65_535) {
    throw new CofferError("usage", `--listen expected HOST:PORT, :PORT or unix:/SOCKET, got ${JSON.stringify(text)}`);
  }
  const host = match[1] ?? match[2] ?? "";
  return host === "" ? { kind: "tcp", port } : { kind: "tcp", host, port };
}

/** Starts to listen and tells where, the way the start line shows it. Throws `unavailable` when the address cannot be had. */
export async function listen(server: Server, address: ListenAddress): Promise<string> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const started = (): void => {
        server.off("error", reject);
        resolve();
      };
      if (address.kind === "unix") server.listen(address.path, started);
      else if (address.kind === "descriptor") server.listen({ fd: address.descriptor }, started);
      else
        server.listen({ port: address.port, ...(address.host === undefined ? {} : { host: address.host }) }, started);
    });
  } catch (cause) {
    throw new CofferError("unavailable", `unable to listen: ${adviseOn(cause as NodeJS.ErrnoException, address)}`, {
      cause,
    });
  }
  return describeBound(server);
}

function adviseOn(error: NodeJS.ErrnoException, address: ListenAddress): string {
  if (address.kind === "descriptor") return `${error.message}: descriptor ${address.descriptor} is no listening socket`;
  if (error.code !== "EADDRINUSE") return error.message;
  if (address.kind === "tcp") return `${error.message}: another program has the port; choose another with --listen`;
  return `${error.message}: if no server is running, remove the file that an earlier one has left`;
}

function describeBound(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return bound ?? "";
  return bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
