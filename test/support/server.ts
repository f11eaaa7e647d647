/** Coffer's server as a child process on a free loopback port, from its sources. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const serverProgram = fileURLToPath(new URL("../../server/main.ts", import.meta.url));

export interface ServerSettings {
  /** The data folder; made when absent. Without one, a temporary folder that `stop` removes. */
  readonly path?: string;
  /** Further flags of the server. */
  readonly args?: readonly string[];
  /** A user who has to log in; without one, everybody is let in. */
  readonly auth?: { readonly user: string; readonly password: string };
  /** Instead of a free port on the loopback interface. */
  readonly listen?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestServer {
  /** With a slash at its end, and with the credentials if there are any. */
  readonly url: string;
  readonly pid: number;
  readonly port: number;
  /** The address as the start line gives it. */
  readonly address: string;
  readonly dataPath: string;
  /** What the server has printed so far. */
  readonly stderr: string;
  readonly stdout: string;
  /** Sends SIGTERM and waits for the end. Returns the exit code, or null when a signal ended it. Idempotent. */
  stop(): Promise<number | null>;
  /** Sends SIGKILL and waits for the end. */
  kill(): Promise<void>;
  /** Starts the server again on the same port after `stop` or `kill`. */
  restart(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** The server did not get as far as listening. */
export class ServerDidNotStart extends Error {
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly stdout: string;

  constructor(exitCode: number | null, stderr: string, stdout: string) {
    super(`the server ended with ${exitCode}: ${stderr}`);
    this.exitCode = exitCode;
    this.stderr = stderr;
    this.stdout = stdout;
  }
}

export async function startServer(settings: ServerSettings = {}): Promise<TestServer> {
  const server = new ChildServer(settings);
  await server.start();
  return server;
}

class ChildServer implements TestServer {
  readonly dataPath: string;
  readonly #settings: ServerSettings;
  readonly #isTemporary: boolean;
  #child: ChildProcess | undefined;
  #address = "";
  #texts = { stdout: "", stderr: "" };

  constructor(settings: ServerSettings) {
    this.#settings = settings;
    this.#isTemporary = settings.path === undefined;
    this.dataPath = settings.path ?? mkdtempSync(join(tmpdir(), "coffer-server-"));
    const { auth } = settings;
    if (auth === undefined) return;
    mkdirSync(this.dataPath, { recursive: true });
    const hash = createHash("sha1").update(auth.password).digest("base64");
    writeFileSync(join(this.dataPath, ".htpasswd"), `${auth.user}:{SHA}${hash}\n`);
  }

  get url(): string {
    const { auth, args = [] } = this.#settings;
    const credentials =
      auth === undefined ? "" : `${encodeURIComponent(auth.user)}:${encodeURIComponent(auth.password)}@`;
    return `${args.includes("--tls") ? "https" : "http"}://${credentials}${this.#address}/`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get port(): number {
    return Number(/:(\d+)$/.exec(this.#address)?.[1] ?? 0);
  }

  get address(): string {
    return this.#address;
  }

  get stderr(): string {
    return this.#texts.stderr;
  }

  get stdout(): string {
    return this.#texts.stdout;
  }

  async start(): Promise<void> {
    const { args = [], auth, env = {} } = this.#settings;
    const listen = this.#address === "" ? (this.#settings.listen ?? "127.0.0.1:0") : this.#listenAgain();
    const flags = [
      "--path",
      this.dataPath,
      "--listen",
      listen,
      ...(needsNoAuth(args, auth) ? ["--no-auth"] : []),
      ...args,
    ];
    const child = spawn(process.execPath, [serverProgram, ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    this.#texts = { stdout: "", stderr: "" };
    const texts = this.#texts;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      texts.stdout += text;
    });
    const ended = once(child, "close");
    const started = new Promise<string>((resolve) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        texts.stderr += `${line}\n`;
        const match = /^start server on (.*)$/.exec(line);
        if (match?.[1]) resolve(match[1]);
      });
    });
    const address = await Promise.race([started, ended.then(() => undefined)]);
    if (address === undefined) {
      this.#removeTemporary();
      throw new ServerDidNotStart(child.exitCode, texts.stderr, texts.stdout);
    }
    this.#address = address;
  }

  async stop(): Promise<number | null> {
    const exitCode = await this.#end("SIGTERM");
    this.#removeTemporary();
    return exitCode;
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    if (this.#isRunning()) throw new Error("the server is still running: stop or kill it first");
    await this.start();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (this.#isRunning()) {
      const ended = once(child, "close");
      child.kill(signal);
      await ended;
    }
    return child.exitCode;
  }

  #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #listenAgain(): string {
    return this.#address.startsWith("/") ? `unix:${this.#address}` : this.#address;
  }

  #removeTemporary(): void {
    if (this.#isTemporary) rmSync(this.dataPath, { recursive: true, force: true });
  }
}

function needsNoAuth(args: readonly string[], auth: ServerSettings["auth"]): boolean {
  const flags = ["--no-auth", "--htpasswd-file", "--create-first-user", "--tls-client-ca", "--proxy-auth-username"];
  return auth === undefined && !args.some((argument) => flags.some((flag) => argument.startsWith(flag)));
}
