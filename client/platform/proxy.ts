/**
 * The HTTP proxy that the environment names, by the rules of Go's programs, which users of restic have set their variables for:
 * HTTP_PROXY for http://, HTTPS_PROXY for https://, NO_PROXY for hosts that are reached directly. This machine never needs a proxy.
 */
import { BlockList, isIP } from "node:net";
import { CofferError } from "../../shared/errors.ts";

export interface HttpProxy {
  /** Scheme, host and port. */
  readonly origin: string;
  /** The value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for requests to `origin`, or undefined for a direct line. Throws `usage` for a proxy that cannot be used. */
export function proxyFor(origin: string, environment: Environment): HttpProxy | undefined {
  const target = new URL(origin);
  const isSecure = target.protocol === "https:";
  // A web server hands its clients' headers to a program as HTTP_*: there HTTP_PROXY is not the user's word.
  const isGateway = !isSecure && variable(environment, "REQUEST_METHOD") !== "";
  const text = isGateway ? "" : variable(environment, isSecure ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (text === "" || isExempt(target, variable(environment, "NO_PROXY"))) return undefined;
  return parseProxy(text);
}

function variable(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || "";
}

function parseProxy(text: string): HttpProxy {
  const url = parseUrl(/^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === undefined || url.hostname === "") throw unusable("a URL such as http://HOST:PORT", "something else");
  if (url.protocol !== "http:" && url.protocol !== "https:") throw unusable("http:// or https://", url.protocol);
  const user = decodeURIComponent(url.username);
  const hasUser = url.username !== "" || url.password !== "";
  const credentials = Buffer.from(`${user}:${decodeURIComponent(url.password)}`).toString("base64");
  return { origin: url.origin, authorization: hasUser ? `Basic ${credentials}` : undefined };
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Without the value, which may hold a password. */
function unusable(expected: string, found: string): CofferError {
  const advice = "correct HTTP_PROXY or HTTPS_PROXY, or name the host in NO_PROXY";
  return new CofferError("usage", `the environment's proxy expected ${expected}, got ${found}; ${advice}`);
}

function isExempt(target: URL, noProxy: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || isLoopback(host)) return true;
  return noProxy
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && (entry === "*" || matches(entry, host, port)));
}

function isLoopback(host: string): boolean {
  return host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** An entry is an address, a network, or a domain that stands for itself and all below it; each but a network may name a port. */
function matches(entry: string, host: string, port: string): boolean {
  if (entry.includes("/")) return isInNetwork(entry, host);
  const withPort = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = (withPort?.[1] ?? entry).replace(/^\[|\]$/g, "").replace(/^\*/, "");
  if (isIP(name) !== 0) return name === host;
  return name.startsWith(".") ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}

function isInNetwork(entry: string, host: string): boolean {
  const [address = "", bits = ""] = entry.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits), type);
  return network.check(host, type);
}
