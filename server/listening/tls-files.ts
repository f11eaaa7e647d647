/** Certificate and key as files that are renewed while the server runs. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { CofferError } from "../../shared/errors.ts";
import { versionOfFile } from "../file-version.ts";
import { type TlsSettings, tlsOptions } from "./tls-settings.ts";

export interface TlsFilePaths {
  readonly certificate: string;
  readonly key: string;
  readonly clientAuthorities?: string;
}

type Rules = Pick<TlsSettings, "minimumVersion" | "requiresClientCertificate">;

export class TlsFiles {
  readonly #paths: TlsFilePaths;
  readonly #rules: Rules;
  readonly #log: (line: string) => void;
  #settings: TlsSettings;
  /** Of the files that were looked at last, whether they could be used or not: a bad pair is complained about once. */
  #version: string | undefined;
  #reloading: Promise<void> = Promise.resolve();

  private constructor(paths: TlsFilePaths, rules: Rules, log: (line: string) => void, loaded: LoadedFiles) {
    this.#paths = paths;
    this.#rules = rules;
    this.#log = log;
    this.#settings = loaded.settings;
    this.#version = loaded.version;
  }

  /** Reads the files. Throws `usage` when they cannot be read or do not belong together. */
  static async open(paths: TlsFilePaths, rules: Rules, log: (line: string) => void): Promise<TlsFiles> {
    return new TlsFiles(paths, rules, log, await load(paths, rules));
  }

  get settings(): TlsSettings {
    return this.#settings;
  }

  /**
   * Reads the files again and hands them to `use`. When they cannot be used, that is logged and the old ones stay. The same content is not
   * handed on: a new context would forget the sessions that clients resume.
   */
  reload(use: (settings: TlsSettings) => void): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload(use));
    return this.#reloading;
  }

  /** The same if a file was changed since the last look. */
  async reloadIfChanged(use: (settings: TlsSettings) => void): Promise<void> {
    await this.#reloading;
    const version = await versionOf(this.#paths).catch(() => undefined);
    if (version !== this.#version) await this.reload(use);
  }

  async #reload(use: (settings: TlsSettings) => void): Promise<void> {
    this.#version = await versionOf(this.#paths).catch(() => undefined);
    try {
      const { settings } = await load(this.#paths, this.#rules);
      if (!isSame(settings, this.#settings)) use(settings);
      this.#settings = settings;
      this.#log("Reloaded TLS certificate");
    } catch (error) {
      this.#log(`Could not reload TLS certificate: ${(error as Error).message}`);
    }
  }
}

interface LoadedFiles {
  readonly settings: TlsSettings;
  readonly version: string;
}

async function load(paths: TlsFilePaths, rules: Rules): Promise<LoadedFiles> {
  try {
    // The version first: a change between the two calls is then seen at the next look.
    const version = await versionOf(paths);
    const [certificate, key, clientAuthorities] = await Promise.all(pathsOf(paths).map((path) => readFile(path)));
    if (certificate === undefined || key === undefined) throw new CofferError("internal", "a file is missing");
    const settings = { certificate, key, ...rules, ...(clientAuthorities === undefined ? {} : { clientAuthorities }) };
    createSecureContext(tlsOptions(settings));
    // OpenSSL takes a file without certificates for authorities that nobody has; whoever gave it expects somebody to get in.
    if (clientAuthorities !== undefined) new X509Certificate(clientAuthorities);
    return { settings, version };
  } catch (cause) {
    const message = `cannot use ${pathsOf(paths).join(", ")} for TLS: ${(cause as Error).message}`;
    throw new CofferError("usage", message, { cause });
  }
}

function pathsOf({ certificate, key, clientAuthorities }: TlsFilePaths): string[] {
  return [certificate, key, ...(clientAuthorities === undefined ? [] : [clientAuthorities])];
}

async function versionOf(paths: TlsFilePaths): Promise<string> {
  return (await Promise.all(pathsOf(paths).map(versionOfFile))).join("\n");
}

function isSame(one: TlsSettings, other: TlsSettings): boolean {
  const isEqual = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
    Buffer.compare(a ?? new Uint8Array(), b ?? new Uint8Array()) === 0;
  return (
    isEqual(one.certificate, other.certificate) &&
    isEqual(one.key, other.key) &&
    isEqual(one.clientAuthorities, other.clientAuthorities)
  );
}
