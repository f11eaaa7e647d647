/** What the server calls itself. */

const version = "0.1.0";

export function programVersion(): string {
  return `coffer-server ${version} compiled with node ${process.version} on ${process.platform}/${process.arch}`;
}
