/** `coffer version`. */
import { arch, platform, version } from "node:process";
import { encodeJsonString } from "../../shared/format/go-json.ts";
import { type Command, defineCommand } from "../cli/command.ts";
import { jsonMessage } from "../cli/output.ts";
import { programName, programVersion } from "../cli/program.ts";

/** Names of processors where Node's differ from those that scripts know. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export const versionCommand: Command = defineCommand({
  name: "version",
  synopsis: "",
  description: "The version command prints the version of this program and of what it runs on.",
  flags: {},
  hasJson: true,
  needsNoPassword: true,
  async run({ output }) {
    const architecture = architectures[arch] ?? arch;
    if (output.isJson) {
      output.json(
        jsonMessage("version", [
          ["version", encodeJsonString(programVersion)],
          ["go_version", encodeJsonString(`node ${version}`)],
          ["go_os", encodeJsonString(platform)],
          ["go_arch", encodeJsonString(architecture)],
        ]),
      );
      return;
    }
    output.result(`${programName} ${programVersion} compiled with node ${version} on ${platform}/${architecture}`);
  },
});
