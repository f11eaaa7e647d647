/** Extended attributes as manifests have them. */
import { systemCalls } from "../../client/platform/system-calls.ts";

/** Values in base64 by name; of a link itself. Labels that the system gives to every file are left out. */
export function getXattrsOf(path: Buffer): Record<string, string> {
  const calls = systemCalls();
  const names = calls.listXattrs(path).filter((name) => name.toString() !== "security.selinux");
  return Object.fromEntries(names.map((name) => [name.toString(), calls.getXattr(path, name).toString("base64")]));
}
