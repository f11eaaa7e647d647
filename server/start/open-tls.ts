/** From the options to the files of TLS. */
import { join } from "node:path";
import { TlsFiles } from "../listening/tls-files.ts";
import type { ServerOptions } from "./options.ts";

function certificatePath(options: ServerOptions): string {
  return options.tlsCertificate ?? join(options.dataFolder, "public_key");
}

function keyPath(options: ServerOptions): string {
  return options.tlsKey ?? join(options.dataFolder, "private_key");
}

/** Throws when they cannot be read, or do not belong together. */
export function openTlsFiles(options: ServerOptions, log: (line: string) => void): Promise<TlsFiles> {
  const { tlsClientAuthorities: clientAuthorities } = options;
  const paths = { certificate: certificatePath(options), key: keyPath(options) };
  return TlsFiles.open(
    clientAuthorities === undefined ? paths : { ...paths, clientAuthorities },
    {
      minimumVersion: options.tlsMinimumVersion,
      requiresClientCertificate: options.tlsClientAuthentication === "required",
    },
    log,
  );
}

/** A line for the operator. */
export function describeTls(options: ServerOptions): string {
  const files = `private key ${keyPath(options)}, pubkey ${certificatePath(options)}`;
  return `TLS enabled, ${files}, minimum version ${options.tlsMinimumVersion}`;
}
