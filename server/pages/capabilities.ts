/** What this server can do beyond the protocol, for clients to choose by. */
import { versionNumber } from "../version.ts";

export interface Capabilities {
  /** Names of what parts of the server add, like "batch". */
  readonly names?: readonly string[];
  /** Further limits by their names, which end with their units. */
  readonly limits?: Readonly<Record<string, number>>;
}

/**
 * What every server of this program can: `idempotent-upload`, the same content again under its name is a success; `upload-verification`, content
 * that does not hash to its name is refused; `ranges`, parts of objects can be read.
 */
const commonNames = ["idempotent-upload", "ranges", "upload-verification"];

const commonLimits = { repositoryFolders: 2, headerBytes: 65_536 };

export function describeCapabilities({ names = [], limits = {} }: Capabilities): Readonly<Record<string, unknown>> {
  return {
    server: "coffer-server",
    version: versionNumber,
    protocolVersions: [1, 2],
    capabilities: [...new Set([...commonNames, ...names])].sort(),
    limits: { ...commonLimits, ...limits },
  };
}
