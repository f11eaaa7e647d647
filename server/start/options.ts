/** The command line: rest-server's flags with rest-server's meaning. */
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { CofferError } from "../../shared/errors.ts";
import { commandsHelp } from "../cli/commands.ts";
import { type ObservationOptions, parseObservation } from "../observation/observation-options.ts";
import { defaultTransfers, mostTransfers } from "../storage/disk/disk-queue.ts";

export interface ServerOptions {
  readonly dataFolder: string;
  /** Where the repositories are when they are not in the data folder: `s3:...`. */
  readonly storage?: string;
  readonly listen: string;
  /** A file, or "-" for standard output. Absent: no access log. */
  readonly accessLog?: string;
  readonly tls: boolean;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly tlsMinimumVersion: "1.2" | "1.3";
  /** Certificates of the authorities whose clients log in with a certificate. Absent: they are not asked for one. */
  readonly tlsClientAuthorities?: string;
  readonly tlsClientAuthentication: "optional" | "required";
  readonly authentication: boolean;
  /** The header in which a proxy says who the user is. Absent: users log in here. */
  readonly proxyUserHeader?: string;
  readonly htpasswdFile: string;
  readonly createFirstUser: boolean;
  readonly appendOnly: boolean;
  readonly privateRepositories: boolean;
  readonly verifyUploads: boolean;
  readonly groupAccessible: boolean;
  readonly debug: boolean;
  readonly cpuProfile?: string;
  readonly observation: ObservationOptions;
  /** Absent: there is no limit for the whole server. */
  readonly maximumBytes?: number;
  /** Who may do what, instead of what the flags say. */
  readonly policyFile?: string;
  /** How many packs may be read from or written to the disk at the same time. */
  readonly maxDiskTransfers: number;
  /** How many processes serve. */
  readonly workers: number;
}

export type CommandLine =
  | { readonly action: "help" }
  | { readonly action: "version" }
  | { readonly action: "serve"; readonly options: ServerOptions };

interface Flag {
  readonly type: "boolean" | "string";
  readonly short?: string;
  readonly value?: string;
  /** May be given several times; the values are joined with commas. */
  readonly isList?: boolean;
  readonly help: string;
}

/** Each has its own memory, and more of them than cores make nothing faster. */
const mostWorkers = 64;
const defaultListen = ":8000";
const defaultDataFolder = join(tmpdir(), "restic");

const flags = {
  "allow-origin": {
    type: "string",
    value: "ORIGINS",
    isList: true,
    help: "sites whose pages may use the server, separated by commas (default: none)",
  },
  "append-only": { type: "boolean", help: "refuse to delete anything but locks" },
  "audit-log": {
    type: "string",
    value: "FILE",
    help: 'write a line of JSON for every change, refusal and failed login ("-": to standard output)',
  },
  "cpu-profile": {
    type: "string",
    value: "FILE",
    help: "write a CPU profile of the whole run on a clean exit (.cpuprofile: Chrome's DevTools, VS Code, speedscope)",
  },
  "create-first-user": {
    type: "boolean",
    help: "if there is no htpasswd file, make one with a user and print the password, once",
  },
  debug: { type: "boolean", help: "tell of every request, and of errors that are not logged otherwise" },
  "forwarded-header": {
    type: "string",
    value: "NAME",
    help: 'what trusted proxies write, X-Forwarded-For or Forwarded (default "X-Forwarded-For")',
  },
  "group-accessible-repos": { type: "boolean", help: "let the files' group read and write the repositories" },
  help: { type: "boolean", short: "h", help: "print this and exit" },
  "htpasswd-file": { type: "string", value: "FILE", help: 'users and their hashes (default "<path>/.htpasswd")' },
  listen: { type: "string", value: "ADDRESS", help: `HOST:PORT, :PORT or unix:/SOCKET (default "${defaultListen}")` },
  log: { type: "string", value: "FILE", help: 'write an access log ("-": to standard output)' },
  "log-format": { type: "string", value: "FORMAT", help: 'of the access log, combined or json (default "combined")' },
  "max-disk-transfers": {
    type: "string",
    value: "N",
    help: `read and write at most N packs at the same time, however many clients there are (default ${defaultTransfers})`,
  },
  "max-size": { type: "string", value: "BYTES", help: "how much all repositories may hold together (0: no limit)" },
  "min-free-space": {
    type: "string",
    value: "SIZE",
    help: "free space below which the server is not ready (default 0)",
  },
  "no-auth": { type: "boolean", help: "let everybody in" },
  "no-verify-upload": {
    type: "boolean",
    help: "do not verify that uploads hash to their names: only for processors that cannot keep up",
  },
  path: { type: "string", value: "FOLDER", help: `where the repositories are (default "${defaultDataFolder}")` },
  policy: { type: "string", value: "FILE", help: "rights and quotas of users and repositories, YAML (docs/policy.md)" },
  "private-repos": { type: "boolean", help: "users have only the repositories below the folder of their own name" },
  prometheus: { type: "boolean", help: "serve metrics for Prometheus at /metrics" },
  "prometheus-no-auth": { type: "boolean", help: "serve them to everybody" },
  "proxy-auth-username": {
    type: "string",
    value: "HEADER",
    help: "take this header for the user's name: only behind a proxy that sets it, and that cannot be passed by",
  },
  storage: {
    type: "string",
    value: "LOCATION",
    help: "keep the repositories in s3:https://HOST/BUCKET[/PREFIX] or, on AWS, s3:BUCKET[/PREFIX]",
  },
  tls: { type: "boolean", help: "serve HTTPS" },
  "tls-cert": { type: "string", value: "FILE", help: 'certificate, PEM (default "<path>/public_key")' },
  "tls-client-auth": {
    type: "string",
    value: "WHEN",
    help: 'certificates of clients are "optional" (others use a password) or "required" (default "optional")',
  },
  "tls-client-ca": {
    type: "string",
    value: "FILE",
    help: "let clients log in with certificates of these authorities, PEM: the user is the common name",
  },
  "tls-key": { type: "string", value: "FILE", help: 'private key, PEM (default "<path>/private_key")' },
  "tls-min-ver": { type: "string", value: "VERSION", help: 'oldest version of TLS, 1.2 or 1.3 (default "1.2")' },
  "trusted-proxies": {
    type: "string",
    value: "NETWORKS",
    isList: true,
    help: "proxies that are believed who the client is, addresses and networks separated by commas (default: none)",
  },
  version: { type: "boolean", short: "v", help: "print the version and exit" },
  workers: {
    type: "string",
    value: "N",
    help: 'serve with N processes, or with one for each processor core ("auto"): for many uploads at once (default 1)',
  },
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
  const isOn = (name: FlagName): boolean => booleans.get(name) === true;
  // Absolute, whatever becomes of the folder that the server was started in.
  const dataFolder = resolve(strings.get("path") ?? defaultDataFolder);
  const tls = isOn("tls");
  const authentication = !isOn("no-auth");
  const privateRepositories = isOn("private-repos");
  const appendOnly = isOn("append-only");
  const options = {
    dataFolder,
    listen: strings.get("listen") ?? defaultListen,
    tls,
    tlsMinimumVersion: parseTlsVersion(strings.get("tls-min-ver") ?? "1.2"),
    authentication,
    htpasswdFile: strings.get("htpasswd-file") ?? join(dataFolder, ".htpasswd"),
    createFirstUser: isOn("create-first-user"),
    appendOnly,
    privateRepositories,
    observation: toObservation(booleans, strings),
    verifyUploads: !isOn("no-verify-upload"),
    groupAccessible: isOn("group-accessible-repos"),
    debug: isOn("debug"),
    tlsClientAuthentication: parseClientAuthentication(strings.get("tls-client-auth") ?? "optional"),
    ...optional("proxyUserHeader", parseHeaderName(strings.get("proxy-auth-username") ?? "")),
    ...optional("tlsClientAuthorities", strings.get("tls-client-ca")),
    ...optional("cpuProfile", strings.get("cpu-profile")),
    maxDiskTransfers: parseTransfers(strings.get("max-disk-transfers") ?? String(defaultTransfers)),
    workers: parseWorkers(strings.get("workers") ?? "1"),
    ...optional("accessLog", strings.get("log")),
    ...optional("storage", strings.get("storage")),
    ...optional("tlsCertificate", strings.get("tls-cert")),
    ...optional("tlsKey", strings.get("tls-key")),
    ...optional("policyFile", strings.get("policy")),
    ...parseMaximumSize(strings.get("max-size")),
  };
  if (!tls && (strings.has("tls-cert") || strings.has("tls-key")))
    usage("requires enabled TLS: --tls-cert and --tls-key are nothing without --tls");
  refuseClientAuthentication(options, strings);
  // Two answers to one question: whoever gives both would not see which of them counts.
  const replaced = appendOnly ? "--append-only" : privateRepositories ? "--private-repos" : undefined;
  if (options.policyFile !== undefined && replaced !== undefined) {
    usage(`${replaced} cannot be combined with --policy: say it in the policy file`);
  }
  // Whoever asks for private repositories must not get public ones because nobody says who they are.
  if (privateRepositories && !authentication) usage("--private-repos needs to know the users: drop --no-auth");
  return options;
}

function toObservation(booleans: Map<FlagName, boolean>, strings: Map<FlagName, string>): ObservationOptions {
  return parseObservation({
    prometheus: booleans.get("prometheus") ?? false,
    prometheusNoAuth: booleans.get("prometheus-no-auth") ?? false,
    logFormat: strings.get("log-format"),
    auditLog: strings.get("audit-log"),
    trustedProxies: strings.get("trusted-proxies"),
    forwardedHeader: strings.get("forwarded-header"),
    allowOrigin: strings.get("allow-origin"),
    minFreeSpace: strings.get("min-free-space"),
    listen: strings.get("listen"),
  });
}

/** What would ask for certificates and then not count them, or count those of a proxy for users'. */
function refuseClientAuthentication(options: ServerOptions, strings: Map<FlagName, string>): void {
  if (options.tlsClientAuthorities === undefined) {
    if (strings.has("tls-client-auth")) usage("--tls-client-auth needs the authorities: add --tls-client-ca FILE");
    return;
  }
  if (!options.tls) usage("requires enabled TLS: --tls-client-ca is nothing without --tls");
  if (!options.authentication) usage("--tls-client-ca is a way to log in: drop --no-auth");
  if (options.proxyUserHeader !== undefined && options.tlsClientAuthentication === "optional") {
    usage("--proxy-auth-username would be believed without the proxy's certificate: add --tls-client-auth required");
  }
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
    else strings.set(name, withEarlier(flags[name], strings.get(name), token.value));
  }
  return { booleans, strings };
}

/** Of several values, a list has all, and everything else the last one. */
function withEarlier(flag: Flag, earlier: string | undefined, value: string): string {
  return flag.isList === true && earlier !== undefined ? `${earlier},${value}` : value;
}

function parseBoolean(flag: string, value: string | undefined): boolean {
  if (value === undefined || /^(?:1|t|T|true|True|TRUE)$/.test(value)) return true;
  if (/^(?:0|f|F|false|False|FALSE)$/.test(value)) return false;
  return usage(`${flag} expected true or false, got ${JSON.stringify(value)}`);
}

function parseTlsVersion(text: string): "1.2" | "1.3" {
  return text === "1.2" || text === "1.3"
    ? text
    : usage(`Unsupported TLS min version: ${text}. Allowed versions are 1.2 or 1.3`);
}

function parseClientAuthentication(text: string): "optional" | "required" {
  return text === "optional" || text === "required"
    ? text
    : usage(`--tls-client-auth expected optional or required, got ${JSON.stringify(text)}`);
}

/** Undefined for an empty name, which rest-server takes for none. */
function parseHeaderName(text: string): string | undefined {
  if (text === "") return undefined;
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
    ? text
    : usage(`--proxy-auth-username expected the name of a header, got ${JSON.stringify(text)}`);
}

function parseMaximumSize(text = "0"): { maximumBytes?: number } {
  if (!/^[+-]?\d{1,15}$/.test(text)) usage(`--max-size expected a number of bytes, got ${JSON.stringify(text)}`);
  const bytes = Number(text);
  return bytes > 0 ? { maximumBytes: bytes } : {};
}

function parseTransfers(text: string): number {
  const transfers = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (transfers >= 1 && transfers <= mostTransfers) return transfers;
  return usage(`--max-disk-transfers expected a number from 1 to ${mostTransfers}, got ${JSON.stringify(text)}`);
}

function parseWorkers(text: string): number {
  if (text === "auto") return Math.min(availableParallelism(), mostWorkers);
  const workers = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (workers >= 1 && workers <= mostWorkers) return workers;
  return usage(`--workers expected a number from 1 to ${mostWorkers} or auto, got ${JSON.stringify(text)}`);
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
  return `A backup server that speaks restic's REST protocol\n\nUsage:\n  coffer-server [flags]\n${commandsHelp()}\nFlags:\n${lines.join("\n")}\n`;
}
