/** A second repository, from which `init` may take over how files are cut. Source: docs/cli.md, second repository. */
import { createNodeProvider } from "../platform/node-provider.ts";
import { RepositoryOpening } from "../repository/opening.ts";
import { booleanFlag, type FlagTable, type FlagValues, optionalTextFlag } from "./arguments/flag.ts";
import type { CommandContext } from "./command.ts";
import { fatalError } from "./exit-status.ts";
import type { GlobalOptions } from "./global-options.ts";
import { resolveLocation } from "./location.ts";
import { openConfiguredBackend } from "./open-backend.ts";
import { openWithPassword } from "./password/opening.ts";
import { resolvePassword } from "./password/sources.ts";

export const secondRepositoryFlags = {
  fromRepository: optionalTextFlag({
    name: "from-repo",
    placeholder: "repository",
    help: "where the other repository is (default: $RESTIC_FROM_REPOSITORY)",
  }),
  fromRepositoryFile: optionalTextFlag({
    name: "from-repository-file",
    placeholder: "file",
    help: "file that says where the other repository is (default: $RESTIC_FROM_REPOSITORY_FILE)",
  }),
  fromPasswordFile: optionalTextFlag({
    name: "from-password-file",
    placeholder: "file",
    help: "file with the other repository's password (default: $RESTIC_FROM_PASSWORD_FILE)",
  }),
  fromPasswordCommand: optionalTextFlag({
    name: "from-password-command",
    placeholder: "command",
    help: "command that prints the other repository's password (default: $RESTIC_FROM_PASSWORD_COMMAND)",
  }),
  fromKeyHint: optionalTextFlag({
    name: "from-key-hint",
    placeholder: "string",
    help: "id of the other repository's key to try first (default: $RESTIC_FROM_KEY_HINT)",
  }),
  fromInsecureNoPassword: booleanFlag({
    name: "from-insecure-no-password",
    help: "the other repository has an empty password (insecure)",
  }),
} satisfies FlagTable;

export type SecondRepositoryValues = FlagValues<typeof secondRepositoryFlags>;

type SecondRepository = Pick<GlobalOptions, "repository" | "repositoryFile" | "password" | "keyHint">;

/** What flags and environment say about the second repository; undefined when they name none. */
export function givenSecondRepository(
  values: SecondRepositoryValues,
  environment: NodeJS.ProcessEnv,
): SecondRepository | undefined {
  const text = (value: string | undefined, variable: string): string => value ?? environment[variable] ?? "";
  const repository = text(values.fromRepository, "RESTIC_FROM_REPOSITORY");
  const repositoryFile = text(values.fromRepositoryFile, "RESTIC_FROM_REPOSITORY_FILE");
  if (repository === "" && repositoryFile === "") return undefined;
  return {
    repository,
    repositoryFile,
    keyHint: text(values.fromKeyHint, "RESTIC_FROM_KEY_HINT"),
    password: {
      passwordFile: text(values.fromPasswordFile, "RESTIC_FROM_PASSWORD_FILE"),
      passwordCommand: text(values.fromPasswordCommand, "RESTIC_FROM_PASSWORD_COMMAND"),
      insecureNoPassword: values.fromInsecureNoPassword,
      passwordVariable: environment["RESTIC_FROM_PASSWORD"] ?? "",
    },
  };
}

/** The polynomial of the second repository, which is opened for that with its own password. Throws `usage` when there is none. */
export async function readPolynomial(context: CommandContext, second: SecondRepository | undefined): Promise<bigint> {
  if (second === undefined) {
    throw fatalError("Please specify a source repository location (--from-repo or --from-repository-file)");
  }
  const { cancellation, output } = context;
  const { signal } = cancellation;
  const location = await resolveLocation(second, {
    flag: "--from-repo",
    fileFlag: "--from-repository-file",
    subject: "a source repository",
    request: "--from-repo or --from-repository-file",
  });
  const password = await resolvePassword(second.password, signal);
  const options = { ...context.options, ...second };
  const secondContext = { ...context, options, password };
  const backend = await openConfiguredBackend(secondContext, location);
  const provider = createNodeProvider();
  try {
    const opening = new RepositoryOpening(backend, provider, {
      keyHint: second.keyHint,
      signal,
      onWarning: (text) => output.error(text),
    });
    const prompt = "enter password for source repository: ";
    return (await openWithPassword(opening, secondContext, prompt)).config.chunkerPolynomial;
  } finally {
    provider.dispose();
    await backend.close();
  }
}
