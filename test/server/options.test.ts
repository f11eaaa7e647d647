import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { parseListenAddress } from "../../server/listen.ts";
import { helpText, parseCommandLine, type ServerOptions } from "../../server/options.ts";
import { hasErrorCode } from "../../shared/errors.ts";

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
      tls: false,
      tlsMinimumVersion: "1.2",
      authentication: true,
      htpasswdFile: join(dataFolder, ".htpasswd"),
      createFirstUser: false,
      appendOnly: false,
      privateRepositories: false,
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
    [["--prometheus"], /unknown flag: --prometheus/],
    [["extra"], /unknown argument: extra/],
    [["--append-only", "false"], /unknown argument: false/],
    [["--no-auth=maybe"], /--no-auth expected true or false, got "maybe"/],
    [["--listen"], /flag needs an argument: --listen/],
    [["--tls", "--tls-min-ver", "1.1"], /--tls-min-ver expected 1.2 or 1.3, got "1.1"/],
    [["--max-disk-transfers", "0"], /--max-disk-transfers expected a number from 1 to 256, got "0"/],
    [["--max-disk-transfers=many"], /--max-disk-transfers expected a number from 1 to 256, got "many"/],
    [["--tls-cert", "x"], /require --tls/],
    [["--tls-key", "x"], /require --tls/],
    [["--private-repos", "--no-auth"], /--private-repos needs to know the users/],
    [["--constructor"], /unknown flag/],
    [["--__proto__"], /unknown flag/],
  ] as const) {
    it(`refuses ${parameters.join(" ")}`, () => {
      expect(messageOf(() => parseCommandLine(parameters))).to.match(message);
    });
  }

  it("K: takes TLS files as given", () => {
    expect(optionsOf("--tls", "--tls-cert", "/c", "--tls-key", "/k", "--tls-min-ver", "1.3")).to.include({
      tls: true,
      tlsCertificate: "/c",
      tlsKey: "/k",
      tlsMinimumVersion: "1.3",
    });
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
      "private-repos",
      "tls",
      "tls-cert",
      "tls-key",
      "tls-min-ver",
      "create-first-user",
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
