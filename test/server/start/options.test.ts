import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseListenAddress } from "../../../server/listening/listen.ts";
import { helpText, parseCommandLine, type ServerOptions } from "../../../server/start/options.ts";
import { hasErrorCode } from "../../../shared/errors.ts";

function optionsOf(...parameters: string[]): ServerOptions {
  const commandLine = parseCommandLine(parameters);
  if (commandLine.action !== "serve") throw new Error(`expected to serve, got ${commandLine.action}`);
  return commandLine.options;
}

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (hasErrorCode(error, "usage")) return error.message;
    throw error;
  }
  throw new Error("expected a usage error");
}

describe("the command line", () => {
  it("has rest-server's defaults", () => {
    const dataFolder = join(tmpdir(), "restic");
    expect(optionsOf()).to.deep.equal({
      dataFolder,
      listen: ":8000",
      maxDiskTransfers: 5,
      workers: 1,
      tls: false,
      tlsMinimumVersion: "1.2",
      authentication: true,
      htpasswdFile: join(dataFolder, ".htpasswd"),
      createFirstUser: false,
      appendOnly: false,
      privateRepositories: false,
      observation: {
        metrics: "off",
        accessLogFormat: "combined",
        allowedOrigins: new Set(),
        minimumFreeBytes: 0,
      },
      tlsClientAuthentication: "optional",
      verifyUploads: true,
      groupAccessible: false,
      debug: false,
    });
  });

  it("takes values after a blank or an equals sign, the last one of several", () => {
    expect(optionsOf("--path", "/a", "--listen=:1", "--log", "-", "--path=/b")).to.include({
      dataFolder: "/b",
      htpasswdFile: "/b/.htpasswd",
      listen: ":1",
      accessLog: "-",
    });
    expect(optionsOf("--path", "/a", "--htpasswd-file", "/users").htpasswdFile).to.equal("/users");
  });

  for (const [value, expected] of [
    ["", true],
    ["=true", true],
    ["=1", true],
    ["=T", true],
    ["=false", false],
    ["=0", false],
    ["=FALSE", false],
  ] as const) {
    it(`takes --append-only${value} for ${expected}`, () => {
      expect(optionsOf(`--append-only${value}`).appendOnly).to.equal(expected);
    });
  }

  for (const [parameters, message] of [
    [["--bogus"], /unknown flag: --bogus/],
    [["-x"], /unknown flag: -x/],
    [["extra"], /unknown argument: extra/],
    [["--append-only", "false"], /unknown argument: false/],
    [["--no-auth=maybe"], /--no-auth expected true or false, got "maybe"/],
    [["--listen"], /flag needs an argument: --listen/],
    [["--tls", "--tls-min-ver", "1.1"], /Unsupported TLS min version: 1.1. Allowed versions are 1.2 or 1.3/],
    [["--tls-cert", "x"], /requires enabled TLS/],
    [["--tls-key", "x"], /requires enabled TLS/],
    [["--tls-client-ca", "x"], /requires enabled TLS/],
    [["--tls-client-auth", "required"], /--tls-client-auth needs the authorities/],
    [["--tls", "--tls-client-ca", "x", "--tls-client-auth", "no"], /expected optional or required, got "no"/],
    [["--tls", "--tls-client-ca", "x", "--no-auth"], /drop --no-auth/],
    [["--tls", "--tls-client-ca", "x", "--proxy-auth-username", "u"], /add --tls-client-auth required/],
    [["--proxy-auth-username", "a b"], /expected the name of a header, got "a b"/],
    [["--max-disk-transfers", "0"], /--max-disk-transfers expected a number from 1 to 256, got "0"/],
    [["--max-disk-transfers=many"], /--max-disk-transfers expected a number from 1 to 256, got "many"/],
    [["--private-repos", "--no-auth"], /--private-repos needs to know the users/],
    [["--log-format", "xml"], /--log-format expected combined or json, got "xml"/],
    [
      ["--min-free-space", "lots"],
      /--min-free-space expected a size such as 500GiB or 1TB .*, got "lots"; 0 demands nothing/,
    ],
    [["--min-free-space", "9P9"], /--min-free-space expected a size/],
    [["--min-free-space", "500mb"], /--min-free-space expected a size.*kB to PB, or KiB to PiB.*got "500mb"/],
    [["--min-free-space", "9999P"], /--min-free-space expected a size/],
    [
      ["--trusted-proxies", "proxy.example"],
      /--trusted-proxies expected an address or a range.*got "proxy.example"; "unix" stands/,
    ],
    [["--trusted-proxies", "unix", "--listen", ":8000"], /"unix" only for a server that listens on a socket file/],
    [["--forwarded-header", "Forwarded"], /with --trusted-proxies/],
    [["--trusted-proxies", "::1", "--forwarded-header", "X-Real-IP"], /expected X-Forwarded-For or Forwarded/],
    [["--allow-origin", "*"], /--allow-origin expected origins/],
    [["--policy", "p", "--append-only"], /--append-only cannot be combined with --policy/],
    [["--policy", "p", "--private-repos"], /--private-repos cannot be combined with --policy/],
    [["--max-size", "3x"], /--max-size expected a number of bytes, got "3x"/],
    [["--max-size", "1e9"], /--max-size expected a number of bytes/],
    [["--max-size", ""], /--max-size expected a number of bytes/],
    [["--constructor"], /unknown flag/],
    [["--__proto__"], /unknown flag/],
  ] as const) {
    it(`refuses ${parameters.join(" ")}`, () => {
      expect(messageOf(() => parseCommandLine(parameters))).to.match(message);
    });
  }

  it("takes what it has to observe, and lists in several goes", () => {
    const { observation } = optionsOf(
      ...["--prometheus", "--log-format", "json", "--audit-log", "/audit", "--min-free-space", "2GiB"],
      ...["--allow-origin", "https://a.example", "--allow-origin=https://b.example,https://c.example"],
      ...["--trusted-proxies", "127.0.0.1", "--trusted-proxies", "10.0.0.0/8", "--forwarded-header", "forwarded"],
    );
    expect(observation).to.include({
      metrics: "for-users",
      accessLogFormat: "json",
      auditLog: "/audit",
      minimumFreeBytes: 2_147_483_648,
    });
    expect(Array.from(observation.allowedOrigins)).to.deep.equal(
      ["a", "b", "c"].map((name) => `https://${name}.example`),
    );
    const headers = { forwarded: "for=192.0.2.1, for=10.0.0.9" };
    expect(observation.trustedProxies?.clientOf("127.0.0.1", headers)).to.equal("192.0.2.1");
  });

  for (const [flags, metrics] of [
    [[], "off"],
    [["--prometheus-no-auth"], "off"],
    [["--prometheus"], "for-users"],
    [["--prometheus", "--prometheus-no-auth"], "for-everybody"],
  ] as const) {
    it(`serves metrics with "${flags.join(" ")}": ${metrics}`, () => {
      expect(optionsOf(...flags).observation.metrics).to.equal(metrics);
    });
  }

  it("limits what all repositories hold, unless the limit is zero or less", () => {
    expect(optionsOf("--max-size", "300000").maximumBytes).to.equal(300_000);
    for (const text of ["0", "-1", "-5"]) expect(optionsOf(`--max-size=${text}`)).to.not.have.property("maximumBytes");
    expect(optionsOf("--policy", "/p").policyFile).to.equal("/p");
  });

  it("K: takes TLS files as given", () => {
    expect(optionsOf("--tls", "--tls-cert", "/c", "--tls-key", "/k", "--tls-min-ver", "1.3")).to.include({
      tls: true,
      tlsCertificate: "/c",
      tlsKey: "/k",
      tlsMinimumVersion: "1.3",
    });
  });

  it("takes a storage elsewhere", () => {
    expect(optionsOf("--storage", "s3:backups").storage).to.equal("s3:backups");
    expect(optionsOf("--path", "/a")).not.to.have.property("storage");
  });

  it("explains every flag", () => {
    expect(parseCommandLine(["-h"])).to.deep.equal({ action: "help" });
    expect(parseCommandLine(["--version"])).to.deep.equal({ action: "version" });
    const text = helpText();
    for (const flag of [
      "path",
      "listen",
      "log",
      "no-auth",
      "htpasswd-file",
      "append-only",
      "max-size",
      "policy",
      "private-repos",
      "storage",
      "tls",
      "tls-cert",
      "tls-key",
      "tls-min-ver",
      "create-first-user",
      "prometheus",
      "prometheus-no-auth",
      "log-format",
      "audit-log",
      "trusted-proxies",
      "forwarded-header",
      "allow-origin",
      "min-free-space",
      "proxy-auth-username",
      "no-verify-upload",
      "group-accessible-repos",
      "debug",
      "cpu-profile",
      "tls-client-ca",
      "tls-client-auth",
    ]) {
      expect(text).to.match(new RegExp(`^ +--${flag}\\b.* {3}\\S`, "m"));
    }
  });
});

describe("listen addresses", () => {
  for (const [text, address] of [
    [":8000", { kind: "tcp", port: 8000 }],
    ["127.0.0.1:0", { kind: "tcp", host: "127.0.0.1", port: 0 }],
    ["localhost:65535", { kind: "tcp", host: "localhost", port: 65_535 }],
    ["[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
    ["unix:/run/x.sock", { kind: "unix", path: "/run/x.sock" }],
    ["unix:relative:name", { kind: "unix", path: "relative:name" }],
  ] as const) {
    it(`${text} is understood`, () => {
      expect(parseListenAddress(text)).to.deep.equal(address);
    });
  }

  for (const text of ["", "8000", "host", "host:", "host:http", "::1:80", ":65536", ":-1", "unix:", "[::1]", "a:b:c"]) {
    it(`"${text}" is refused`, () => {
      expect(messageOf(() => parseListenAddress(text))).to.match(/^--listen expected/);
    });
  }
});
