/** What the server calls itself. */

/** By semantic versioning. */
export const versionNumber = "0.1.0";

export function programVersion(): string {
  return `coffer-server ${versionNumber} compiled with node ${process.version} on ${process.platform}/${process.arch}`;
}
