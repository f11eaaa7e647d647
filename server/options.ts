/** The command line: rest-server's flags with rest-server's meaning. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CofferError } from "../shared/errors.ts";
import { defaultTransfers, mostTransfers } from "./storage/disk/disk-queue.ts";

export interface ServerOptions {
  readonly dataFolder: string;
  readonly listen: string;
  /** A file, or "-" for standard output. Absent: no access log. */
  readonly accessLog?: string;
  readonly tls: boolean;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly tlsMinimumVersion: "1.2" | "1.3";
  readonly authentication: boolean;
  readonly htpasswdFile: string;
  readonly createFirstUser: boolean;
  readonly appendOnly: boolean;
  readonly privateRepositories: boolean;
  /** How many packs may be read from or written to the disk at the same time. */
  readonly maxDiskTransfers: number;
}

export type CommandLine =
  | { readonly action: "help" }
  | { readonly action: "version" }
  | { readonly action: "serve"; readonly options: ServerOptions };

interface Flag {
  readonly type: "boolean" | "string";
  readonly short?: string;
  readonly value?: string;
  readonly help: string;
}

const defaultListen = ":8000";
const defaultDataFolder = join(tmpdir(), "restic");

const flags = {
  "append-only": { type: "boolean", help: "refuse to delete anything but locks" },
  "create-first-user": {
    type: "boolean",
    help: "if there is no htpasswd file, make one with a user and print the password, once",
  },
  help: { type: "boolean", short: "h", help: "print this and exit" },
  "htpasswd-file": { type: "string", value: "FILE", help: 'users and their hashes (default "<path>/.htpasswd")' },
  listen: { type: "string", value: "ADDRESS", help: `HOST:PORT, :PORT or unix:/SOCKET (default "${defaultListen}")` },
  log: { type: "string", value: "FILE", help: 'write an access log in the combined format ("-": to standard output)' },
  "max-disk-transfers": {
    type: "string",
    value: "N",
    help: `read and write at most N packs at the same time, however many clients there are (default ${defaultTransfers})`,
  },
  "no-auth": { type: "boolean", help: "let everybody in" },
  path: { type: "string", value: "FOLDER", help: `where the repositories are (default "${defaultDataFolder}")` },
  "private-repos": { type: "boolean", help: "users have only the repositories below the folder of their own name" },
  tls: { type: "boolean", help: "serve HTTPS" },
  "tls-cert": { type: "string", value: "FILE", help: 'certificate, PEM (default "<path>/public_key")' },
  "tls-key": { type: "string", value: "FILE", help: 'private key, PEM (default "<path>/private_key")' },
  "tls-min-ver": { type: "string", value: "VERSION", help: 'oldest version of TLS, 1.2 or 1.3 (default "1.2")' },
  version: { type: "boolean", short: "v", help: "print the version and exit" },
} as const satisfies Readonly<Record<string, Flag>>;

type FlagName = keyof typeof flags;

/** Throws `usage` with a message that names what is wrong. */
export function parseCommandLine(parameters: readonly string[]): CommandLine {
  const { booleans, strings } = readFlags(parameters);
  if (booleans.get("help") === true) return { action: "help" };
  if (booleans.get("version") === true) return { action: "version" };
  return { action: "serve", options: toOptions(booleans, strings) };
}

function toOptions(booleans: Map<FlagName, boolean>, strings: Map<FlagName, string>): ServerOptions {
  const dataFolder = strings.get("path") ?? defaultDataFolder;
  const tls = booleans.get("tls") ?? false;
  const authentication = !(booleans.get("no-auth") ?? false);
  const privateRepositories = booleans.get("private-repos") ?? false;
  const options = {
    dataFolder,
    listen: strings.get("listen") ?? defaultListen,
    tls,
    tlsMinimumVersion: parseTlsVersion(strings.get("tls-min-ver") ?? "1.2"),
    authentication,
    htpasswdFile: strings.get("htpasswd-file") ?? join(dataFolder, ".htpasswd"),
    createFirstUser: booleans.get("create-first-user") ?? false,
    appendOnly: booleans.get("append-only") ?? false,
    privateRepositories,
    maxDiskTransfers: parseTransfers(strings.get("max-disk-transfers") ?? String(defaultTransfers)),
    ...optional("accessLog", strings.get("log")),
    ...optional("tlsCertificate", strings.get("tls-cert")),
    ...optional("tlsKey", strings.get("tls-key")),
  };
  if (!tls && (strings.has("tls-cert") || strings.has("tls-key"))) usage("--tls-cert and --tls-key require --tls");
  // Whoever asks for private repositories must not get public ones because nobody says who they are.
  if (privateRepositories && !authentication) usage("--private-repos needs to know the users: drop --no-auth");
  return options;
}

function optional<Name extends string>(name: Name, value: string | undefined): { [Key in Name]?: string } {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: string };
}

function readFlags(parameters: readonly string[]): {
  booleans: Map<FlagName, boolean>;
  strings: Map<FlagName, string>;
} {
  const { tokens } = parseArgs({
    args: [...parameters],
    options: flags,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const booleans = new Map<FlagName, boolean>();
  const strings = new Map<FlagName, string>();
  for (const token of tokens) {
    if (token.kind === "positional") usage(`unknown argument: ${token.value}; every option begins with --`);
    if (token.kind !== "option") continue;
    const name = token.name as FlagName;
    if (!Object.hasOwn(flags, token.name)) usage(`unknown flag: ${token.rawName}; --help lists all`);
    if (flags[name].type === "boolean") booleans.set(name, parseBoolean(token.rawName, token.value));
    else if (token.value === undefined) usage(`flag needs an argument: ${token.rawName}`);
    else strings.set(name, token.value);
  }
  return { booleans, strings };
}

function parseBoolean(flag: string, value: string | undefined): boolean {
  if (value === undefined || /^(?:1|t|T|true|True|TRUE)$/.test(value)) return true;
  if (/^(?:0|f|F|false|False|FALSE)$/.test(value)) return false;
  return usage(`${flag} expected true or false, got ${JSON.stringify(value)}`);
}

function parseTlsVersion(text: string): "1.2" | "1.3" {
  return text === "1.2" || text === "1.3"
    ? text
    : usage(`--tls-min-ver expected 1.2 or 1.3, got ${JSON.stringify(text)}`);
}

function parseTransfers(text: string): number {
  const transfers = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (transfers >= 1 && transfers <= mostTransfers) return transfers;
  return usage(`--max-disk-transfers expected a number from 1 to ${mostTransfers}, got ${JSON.stringify(text)}`);
}

function usage(message: string): never {
  throw new CofferError("usage", message);
}

export function helpText(): string {
  const rows = Object.entries(flags).map(([name, flag]: [string, Flag]) => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    return [`  ${short}--${name}${flag.value === undefined ? "" : ` ${flag.value}`}`, flag.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 3;
  const lines = rows.map(([left, help]) => left.padEnd(width) + help);
  return `A backup server that speaks restic's REST protocol\n\nUsage:\n  coffer-server [flags]\n\nFlags:\n${lines.join("\n")}\n`;
}
