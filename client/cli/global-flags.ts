/** The flags that every command has. Source: docs/cli.md, global flags. */
import type { CompressionMode } from "../../shared/format/provider.ts";
import {
  booleanFlag,
  countFlag,
  durationFlag,
  type Flag,
  integerFlag,
  listFlag,
  optionalTextFlag,
  parsedFlag,
  textFlag,
  unsignedFlag,
} from "./arguments/flag.ts";
import { InvalidValue } from "./arguments/invalid-value.ts";
import { quoteText } from "./text/quote.ts";

const compressionModes: readonly CompressionMode[] = ["auto", "off", "fastest", "better", "max"];
const stuckRequestTimeoutMs = 5 * 60_000;

/** Throws `InvalidValue`, naming all modes, for a word that is none. */
export function parseCompression(text: string): CompressionMode {
  const mode = compressionModes.find((candidate) => candidate === text);
  if (mode !== undefined) return mode;
  throw new InvalidValue(`invalid compression mode ${quoteText(text)}, must be one of (${compressionModes.join("|")})`);
}

export interface GlobalFlags {
  readonly repository: Flag<string | undefined>;
  readonly repositoryFile: Flag<string | undefined>;
  readonly passwordFile: Flag<string | undefined>;
  readonly passwordCommand: Flag<string | undefined>;
  readonly keyHint: Flag<string | undefined>;
  readonly insecureNoPassword: Flag<boolean>;
  readonly quiet: Flag<boolean>;
  readonly verbose: Flag<number>;
  readonly json: Flag<boolean>;
  readonly noLock: Flag<boolean>;
  readonly retryLockMs: Flag<number>;
  readonly cacheDirectory: Flag<string>;
  readonly noCache: Flag<boolean>;
  readonly cleanupCache: Flag<boolean>;
  readonly compression: Flag<CompressionMode | undefined>;
  readonly packSizeMiB: Flag<number>;
  readonly noExtraVerify: Flag<boolean>;
  readonly limitUploadKiBps: Flag<number>;
  readonly limitDownloadKiBps: Flag<number>;
  readonly cacert: Flag<readonly string[]>;
  readonly tlsClientCert: Flag<string | undefined>;
  readonly insecureTls: Flag<boolean>;
  readonly userAgent: Flag<string | undefined>;
  readonly stuckRequestTimeoutMs: Flag<number>;
  readonly extendedOptions: Flag<readonly string[]>;
  // biome-ignore lint/suspicious/noExplicitAny: so that it counts as a table of flags of all types.
  readonly [key: string]: Flag<any>;
}

export const globalFlags: GlobalFlags = {
  repository: optionalTextFlag({
    name: "repo",
    shorthand: "r",
    placeholder: "repository",
    help: "where the repository is (default: $RESTIC_REPOSITORY)",
  }),
  repositoryFile: optionalTextFlag({
    name: "repository-file",
    placeholder: "file",
    help: "file that says where the repository is (default: $RESTIC_REPOSITORY_FILE)",
  }),
  passwordFile: optionalTextFlag({
    name: "password-file",
    shorthand: "p",
    placeholder: "file",
    help: "file with the repository's password (default: $RESTIC_PASSWORD_FILE)",
  }),
  passwordCommand: optionalTextFlag({
    name: "password-command",
    placeholder: "command",
    help: "command that prints the repository's password (default: $RESTIC_PASSWORD_COMMAND)",
  }),
  keyHint: optionalTextFlag({
    name: "key-hint",
    placeholder: "key",
    help: "id of the key to try first (default: $RESTIC_KEY_HINT)",
  }),
  insecureNoPassword: booleanFlag({
    name: "insecure-no-password",
    help: "the repository has an empty password; to be given with every command (insecure)",
  }),
  quiet: booleanFlag({ name: "quiet", shorthand: "q", help: "print errors and essential results only" }),
  verbose: countFlag({
    name: "verbose",
    shorthand: "v",
    help: "print more; give it twice, or as --verbose=2, for most",
  }),
  json: booleanFlag({ name: "json", help: "print JSON, in commands that have it" }),
  noLock: booleanFlag({
    name: "no-lock",
    help: "do not lock the repository; allows reading where nothing can be written",
  }),
  retryLockMs: durationFlag({
    name: "retry-lock",
    placeholder: "duration",
    help: "when the repository is locked, keep trying for so long, such as 5m or 2h (default: do not)",
  }),
  cacheDirectory: textFlag({
    name: "cache-dir",
    placeholder: "directory",
    help: "where the local cache is kept (default: $RESTIC_CACHE_DIR, or the system's place for caches)",
  }),
  noCache: booleanFlag({ name: "no-cache", help: "use no local cache" }),
  cleanupCache: booleanFlag({ name: "cleanup-cache", help: "remove caches that nobody has used for 30 days" }),
  compression: parsedFlag<CompressionMode | undefined>(
    {
      name: "compression",
      placeholder: "mode",
      help: `how hard to compress, one of (${compressionModes.join("|")}); not in repositories of version 1 (default: $RESTIC_COMPRESSION)`,
      defaultText: "auto",
    },
    undefined,
    parseCompression,
  ),
  packSizeMiB: unsignedFlag({
    name: "pack-size",
    placeholder: "size",
    help: "size in MiB that pack files grow to, 4 to 128 (default: $RESTIC_PACK_SIZE or 16)",
  }),
  noExtraVerify: booleanFlag({
    name: "no-extra-verify",
    help: "do not verify encrypted data once more before it is uploaded",
  }),
  limitUploadKiBps: integerFlag({
    name: "limit-upload",
    placeholder: "rate",
    help: "upload at most so many KiB/s (default: no limit)",
  }),
  limitDownloadKiBps: integerFlag({
    name: "limit-download",
    placeholder: "rate",
    help: "download at most so many KiB/s (default: no limit)",
  }),
  cacert: listFlag({
    name: "cacert",
    placeholder: "file",
    help: "root certificates to trust instead of the system's (default: $RESTIC_CACERT)",
  }),
  tlsClientCert: optionalTextFlag({
    name: "tls-client-cert",
    placeholder: "file",
    help: "PEM file with a client certificate and its key (default: $RESTIC_TLS_CLIENT_CERT)",
  }),
  insecureTls: booleanFlag({ name: "insecure-tls", help: "do not verify the server's certificate (insecure)" }),
  userAgent: optionalTextFlag({
    name: "http-user-agent",
    placeholder: "string",
    help: "how to introduce oneself to HTTP servers (default: $RESTIC_HTTP_USER_AGENT)",
  }),
  stuckRequestTimeoutMs: durationFlag(
    {
      name: "stuck-request-timeout",
      placeholder: "duration",
      help: "repeat a request that has made no progress for so long",
      defaultText: "5m0s",
    },
    stuckRequestTimeoutMs,
  ),
  extendedOptions: listFlag({
    name: "option",
    shorthand: "o",
    placeholder: "key=value",
    help: "option of a backend (several times; `coffer options` lists them)",
  }),
};
