/** `--cacert`, `--tls-client-cert`, `--insecure-tls`: from files to what a TLS connection needs. */
import { readFile } from "node:fs/promises";
import { CofferError } from "../../shared/errors.ts";
import type { TlsOptions } from "./undici-transport.ts";

export interface TlsFiles {
  /** PEM files with the authorities to trust instead of the system's. */
  readonly cacert?: readonly string[];
  /** One PEM file with certificates and exactly one key. */
  readonly tlsClientCert?: string;
  readonly insecureTls?: boolean;
}

/** Reads the files. Throws `usage` when one cannot be read or holds something else. */
export async function readTlsOptions(files: TlsFiles): Promise<TlsOptions> {
  const authorities = await Promise.all((files.cacert ?? []).map(readAuthorities));
  return {
    ...(authorities.length === 0 ? {} : { authorities }),
    ...(files.tlsClientCert ? { clientCertificate: await readClientCertificate(files.tlsClientCert) } : {}),
    ...(files.insecureTls ? { isInsecure: true } : {}),
  };
}

async function readAuthorities(path: string): Promise<string> {
  const text = await readText(path);
  if (!blocksOf(text).some((block) => block.kind === "CERTIFICATE")) {
    throw new CofferError("usage", `root certificate file ${path}: expected PEM certificates, found none`);
  }
  return text;
}

async function readClientCertificate(path: string): Promise<{ certificates: string; key: string }> {
  const blocks = blocksOf(await readText(path));
  const certificates = blocks.filter((block) => block.kind === "CERTIFICATE");
  const keys = blocks.filter((block) => block.kind.endsWith("PRIVATE KEY"));
  const [key] = keys;
  if (certificates.length === 0 || key === undefined || certificates.length + 1 !== blocks.length) {
    const found = blocks.map((block) => block.kind).join(", ") || "nothing in PEM form";
    const message = `client certificate file ${path}: expected certificates and one private key, found ${found}`;
    throw new CofferError("usage", message);
  }
  return { certificates: certificates.map((block) => block.text).join("\n"), key: key.text };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CofferError("usage", `certificate file ${path} cannot be read: ${reason}`, { cause });
  }
}

function blocksOf(text: string): { readonly kind: string; readonly text: string }[] {
  const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g);
  return [...blocks].map(([block, kind = ""]) => ({ kind, text: block }));
}
