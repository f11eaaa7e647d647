/** `coffer init`. */
import { encodeJsonString } from "../../shared/format/go-json.ts";
import { formatTime } from "../../shared/format/time.ts";
import { booleanFlag, textFlag } from "../cli/arguments/flag.ts";
import { type Command, type CommandContext, defineCommand } from "../cli/command.ts";
import { fatalError } from "../cli/exit-status.ts";
import { resolveLocation } from "../cli/location.ts";
import { nowNs, processOwner } from "../cli/machine.ts";
import { openConfiguredBackend } from "../cli/open-backend.ts";
import { jsonMessage } from "../cli/output.ts";
import { askForNewPassword, emptyPasswordError } from "../cli/password/sources.ts";
import { givenSecondRepository, readPolynomial, secondRepositoryFlags } from "../cli/second-repository.ts";
import { createNodeProvider } from "../platform/node-provider.ts";
import { localZoneOffset } from "../platform/time-zone.ts";
import { initializeRepository } from "../repository/initialization.ts";
import { calibrateScrypt } from "../repository/scrypt-cost.ts";

const currentVersion = 2;

const flags = {
  repositoryVersion: textFlag(
    {
      name: "repository-version",
      placeholder: "string",
      help: "version of the repository's format: 1, 2, 'latest' or 'stable'",
      defaultText: '"stable"',
    },
    "stable",
  ),
  copyChunkerParams: booleanFlag({
    name: "copy-chunker-params",
    help: "cut files as another repository does, so that copies between the two deduplicate",
  }),
  ...secondRepositoryFlags,
};

export const initCommand: Command = defineCommand({
  name: "init",
  synopsis: "",
  description: "The init command makes a new repository.",
  flags,
  hasJson: true,
  async run(context, { values, operands }) {
    if (operands.length > 0) {
      throw fatalError(
        "the init command expects no arguments, only options - please see `coffer help init` for usage and flags",
      );
    }
    const version = parseVersion(values.repositoryVersion);
    const second = givenSecondRepository(values, context.environment);
    if (second !== undefined && !values.copyChunkerParams) {
      throw fatalError("Secondary repository must only be specified when copying the chunker parameters");
    }
    const polynomial = values.copyChunkerParams ? await readPolynomial(context, second) : undefined;
    await initialize(context, version, polynomial);
  },
});

/** Throws `usage` for what is no number; which numbers are allowed is known further inside. */
function parseVersion(text: string): number {
  if (text === "stable" || text === "latest" || text === "") return currentVersion;
  if (!/^\d{1,9}$/.test(text)) throw fatalError("invalid repository version");
  return Number(text);
}

async function initialize(context: CommandContext, version: number, polynomial: bigint | undefined): Promise<void> {
  const { cancellation, output } = context;
  const { signal } = cancellation;
  const location = await resolveLocation(context.options);
  const backend = await openConfiguredBackend(context, location);
  const provider = createNodeProvider();
  try {
    const password = await newPassword(context);
    const { username, hostname } = processOwner();
    const repository = await initializeRepository(backend, provider, {
      password,
      version,
      polynomial,
      username,
      hostname,
      created: formatTime(nowNs(), localZoneOffset),
      parameters: await calibrateScrypt(provider, () => performance.now()),
      signal,
    });
    report(output, repository.config.id, backend.location);
  } finally {
    provider.dispose();
    await backend.close();
  }
}

async function newPassword({ password, output, cancellation }: CommandContext): Promise<string> {
  if (password.kind === "known") return password.password;
  const asked = await askForNewPassword("enter password for new repository: ", output, cancellation);
  if (asked === "") throw emptyPasswordError();
  return asked;
}

function report(output: CommandContext["output"], id: string, location: string): void {
  if (output.isJson) {
    output.json(
      jsonMessage("initialized", [
        ["id", encodeJsonString(id)],
        ["repository", encodeJsonString(location)],
      ]),
    );
    return;
  }
  output.normal(
    [
      `created restic repository ${id.slice(0, 10)} at ${location}`,
      "",
      "Please note that knowledge of your password is required to access",
      "the repository. Losing your password means that your data is",
      "irrecoverably lost.",
    ].join("\n"),
  );
}
