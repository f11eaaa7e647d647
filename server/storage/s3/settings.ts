/** Where an S3-compatible store is and who asks it: the location of the command line and the variables of the AWS tools. */
import { CofferError } from "../../../shared/errors.ts";
import { hasControlCharacter } from "./keys.ts";

export interface S3Settings {
  /** Scheme, host and port, without a slash at the end. */
  readonly origin: string;
  /** What comes before the key in a path: the bucket, or nothing where the host names it. */
  readonly bucketPath: string;
  readonly bucket: string;
  /** Before every key: empty, or ending in a slash. */
  readonly prefix: string;
  readonly region: string;
  readonly credentials: S3Credentials;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const forms = "s3:https://HOST[:PORT]/BUCKET[/PREFIX] or s3:BUCKET[/PREFIX]";
const bucketName = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;
/** A key has 1,024 bytes; folders and an object's name need their part of them. */
const longestPrefix = 500;
const defaultRegion = "us-east-1";

/** Takes `s3:...` and the environment. Throws `usage`. */
export function parseS3Settings(location: string, environment: Environment): S3Settings {
  if (!location.startsWith("s3:")) usage(`storage expected ${forms}, got ${JSON.stringify(location)}`);
  const rest = location.slice("s3:".length);
  const credentials = credentialsOf(environment);
  const region = environment["AWS_REGION"] || environment["AWS_DEFAULT_REGION"];
  if (region && !/^[A-Za-z0-9-]+$/.test(region)) {
    usage(`AWS_REGION expected a name such as eu-central-1, got ${JSON.stringify(region)}`);
  }
  if (/^https?:/i.test(rest)) return atEndpoint(parseUrl(rest), region || defaultRegion, credentials);
  // The form that restic has for AWS.
  if (/^[^/]*\.amazonaws\.com(?:\.cn)?\//.test(rest)) {
    return atEndpoint(parseUrl(`https://${rest}`), region || regionOfHost(rest) || defaultRegion, credentials);
  }
  if (!region) return usage("AWS_REGION expected the region of the bucket, got nothing; set it, say to eu-central-1");
  return atEndpoint(parseUrl(`https://s3.${region}.amazonaws.com/${rest}`), region, credentials);
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new CofferError("usage", `storage expected ${forms}, got ${JSON.stringify(`s3:${text}`)}`, { cause });
  }
}

function regionOfHost(text: string): string | undefined {
  return /^s3[.-]([a-z0-9-]+)\.amazonaws\.com/.exec(text)?.[1];
}

function atEndpoint(url: URL, region: string, credentials: S3Credentials): S3Settings {
  if (url.username !== "" || url.password !== "") {
    usage("storage expected no credentials in its URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  if (url.hash !== "") usage(`storage expected ${forms}, got a fragment: ${url.hash}`);
  const [bucket = "", ...segments] = decodePath(url.pathname).slice(1).split("/");
  if (!bucketName.test(bucket)) usage(`storage expected ${forms}, got the bucket ${JSON.stringify(bucket)}`);
  const isVirtual = wantsVirtualHost(url.searchParams);
  return {
    origin: isVirtual ? `${url.protocol}//${bucket}.${url.host}` : url.origin,
    bucketPath: isVirtual ? "" : `/${bucket}`,
    bucket,
    prefix: prefixOf(segments),
    region,
    credentials,
  };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new CofferError("usage", `storage expected escapes of UTF-8, got ${JSON.stringify(path)}`, { cause });
  }
}

function wantsVirtualHost(parameters: URLSearchParams): boolean {
  for (const name of parameters.keys()) {
    if (name !== "addressing") usage(`storage knows only the parameter "addressing", got ${JSON.stringify(name)}`);
  }
  const addressing = parameters.get("addressing") ?? "path";
  if (addressing !== "path" && addressing !== "virtual") {
    usage(`addressing expected path or virtual, got ${JSON.stringify(addressing)}`);
  }
  return addressing === "virtual";
}

/** Clients and proxies resolve or merge some segments: a key must not depend on who sends it. */
function prefixOf(segments: readonly string[]): string {
  const kept = segments.at(-1) === "" ? segments.slice(0, -1) : segments;
  const prefix = kept.map((segment) => `${segment}/`).join("");
  const isBad = kept.some(
    (segment) => segment === "" || segment === "." || segment === ".." || hasControlCharacter(segment),
  );
  if (isBad || Buffer.byteLength(prefix) > longestPrefix) {
    usage(`prefix expected plain names, at most ${longestPrefix} bytes of them, got ${JSON.stringify(prefix)}`);
  }
  return prefix;
}

function credentialsOf(environment: Environment): S3Credentials {
  const sessionToken = environment["AWS_SESSION_TOKEN"];
  return {
    accessKeyId: requireVariable(environment, "AWS_ACCESS_KEY_ID"),
    secretAccessKey: requireVariable(environment, "AWS_SECRET_ACCESS_KEY"),
    ...(sessionToken ? { sessionToken } : {}),
  };
}

function requireVariable(environment: Environment, name: string): string {
  return environment[name] || usage(`${name} expected the key of the S3 storage, got nothing; set it`);
}

function usage(message: string): never {
  throw new CofferError("usage", message);
}
