/** What the global flags and the environment say together: a flag wins over its variable. Source: docs/cli.md. */

import type { CompressionMode } from "../../shared/format/provider.ts";
import { parseExtendedOptions } from "../backends/extended-options.ts";
import type { FlagValues } from "./arguments/flag.ts";
import { parseGoInteger } from "./arguments/go-values.ts";
import { InvalidValue } from "./arguments/invalid-value.ts";
import { fatalError } from "./exit-status.ts";
import { type GlobalFlags, parseCompression } from "./global-flags.ts";
import type { Verbosity } from "./output.ts";
import type { PasswordOptions } from "./password/sources.ts";
import { quoteText } from "./text/quote.ts";

const smallestPackMiB = 4;
const defaultPackMiB = 16;
const largestPackMiB = 128;
const bytesPerMiB = 1024 * 1024;

/** Where a repository is: a location, or the file that holds it. Both given is an error when it is opened. */
export interface LocationOptions {
  readonly repository: string;
  readonly repositoryFile: string;
}

export interface GlobalOptions extends LocationOptions {
  readonly password: PasswordOptions;
  readonly keyHint: string;
  readonly verbosity: Verbosity;
  readonly json: boolean;
  readonly noLock: boolean;
  readonly retryLockMs: number;
  /** Empty: where the system keeps caches. */
  readonly cacheDirectory: string;
  readonly noCache: boolean;
  readonly cleanupCache: boolean;
  readonly compression: CompressionMode;
  readonly packSizeMiB: number;
  readonly extraVerify: boolean;
  /** 0: no limit. */
  readonly limitUploadKiBps: number;
  readonly limitDownloadKiBps: number;
  readonly cacert: readonly string[];
  readonly tlsClientCert: string;
  readonly insecureTls: boolean;
  readonly userAgent: string;
  readonly stuckRequestTimeoutMs: number;
  readonly extendedOptions: readonly string[];
  readonly restUsername: string;
  readonly restPassword: string;
}

/** Throws `usage` for values of the environment that cannot be understood, and for `-q` together with `-v`. */
export function resolveGlobalOptions(values: FlagValues<GlobalFlags>, environment: NodeJS.ProcessEnv): GlobalOptions {
  const text = (value: string | undefined, variable: string): string => value ?? environment[variable] ?? "";
  return {
    repository: text(values.repository, "RESTIC_REPOSITORY"),
    repositoryFile: text(values.repositoryFile, "RESTIC_REPOSITORY_FILE"),
    password: {
      passwordFile: text(values.passwordFile, "RESTIC_PASSWORD_FILE"),
      passwordCommand: text(values.passwordCommand, "RESTIC_PASSWORD_COMMAND"),
      insecureNoPassword: values.insecureNoPassword,
      passwordVariable: environment["RESTIC_PASSWORD"] ?? "",
    },
    keyHint: text(values.keyHint, "RESTIC_KEY_HINT"),
    verbosity: verbosityOf(values),
    json: values.json,
    noLock: values.noLock,
    retryLockMs: values.retryLockMs,
    cacheDirectory: values.cacheDirectory,
    noCache: values.noCache,
    cleanupCache: values.cleanupCache,
    compression: values.compression ?? readVariable(environment, "RESTIC_COMPRESSION", parseCompression) ?? "auto",
    packSizeMiB: values.packSizeMiB || readUnsigned(environment, "RESTIC_PACK_SIZE") || defaultPackMiB,
    extraVerify: !values.noExtraVerify,
    limitUploadKiBps: Math.max(0, values.limitUploadKiBps),
    limitDownloadKiBps: Math.max(0, values.limitDownloadKiBps),
    cacert: values.cacert.length > 0 ? values.cacert : splitFiles(environment["RESTIC_CACERT"]),
    tlsClientCert: text(values.tlsClientCert, "RESTIC_TLS_CLIENT_CERT"),
    insecureTls: values.insecureTls,
    userAgent: text(values.userAgent, "RESTIC_HTTP_USER_AGENT"),
    stuckRequestTimeoutMs: values.stuckRequestTimeoutMs,
    extendedOptions: values.extendedOptions,
    restUsername: environment["RESTIC_REST_USERNAME"] ?? "",
    restPassword: environment["RESTIC_REST_PASSWORD"] ?? "",
  };
}

/** The target size of packs. Throws `usage` outside the limits. */
export function packSizeBytesOf(options: GlobalOptions): number {
  const { packSizeMiB } = options;
  if (packSizeMiB < smallestPackMiB) {
    throw fatalError(`pack size smaller than minimum of ${smallestPackMiB} MiB`);
  }
  if (packSizeMiB > largestPackMiB) throw fatalError(`pack size larger than limit of ${largestPackMiB} MiB`);
  return packSizeMiB * bytesPerMiB;
}

/** Throws `usage` for an empty key or contradictions. */
export function extendedOptionsOf(options: GlobalOptions): Map<string, string> {
  return parseExtendedOptions(options.extendedOptions);
}

/** A number of the environment; undefined when the variable is unset or empty. Throws `usage`. */
export function readUnsigned(environment: NodeJS.ProcessEnv, name: string): number | undefined {
  return readVariable(environment, name, (text) => Number(parseGoInteger(text, "unsigned")));
}

function readVariable<Value>(
  environment: NodeJS.ProcessEnv,
  name: string,
  parse: (text: string) => Value,
): Value | undefined {
  const text = environment[name];
  if (!text) return undefined;
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw fatalError(`invalid value for ${name} ${quoteText(text)}: ${error.message}`);
  }
}

function verbosityOf(values: FlagValues<GlobalFlags>): Verbosity {
  if (values.quiet && values.verbose > 0) {
    throw fatalError("--quiet and --verbose cannot be specified at the same time");
  }
  if (values.quiet) return 0;
  if (values.verbose >= 2) return 3;
  return values.verbose === 1 ? 2 : 1;
}

function splitFiles(text: string | undefined): readonly string[] {
  return text ? text.split(",") : [];
}
