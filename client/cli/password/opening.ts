/** Opens a repository with the password that is known, or with what a user types, in up to three attempts. */
import { hasErrorCode } from "../../../shared/errors.ts";
import type { RepositoryOpening } from "../../repository/opening.ts";
import type { Repository } from "../../repository/repository.ts";
import type { CommandContext } from "../command.ts";
import { askForPassword, emptyPasswordError } from "./sources.ts";

const attempts = 3;

export async function openWithPassword(
  opening: RepositoryOpening,
  context: CommandContext,
  prompt: string = "enter password for repository: ",
): Promise<Repository> {
  const { password } = context;
  if (password.kind === "known") return opening.open(password.password);
  // Nobody should type a password for a repository that is not there.
  await opening.exists();
  const { isTerminalInput } = await import("./prompt.ts");
  for (let attempt = 1; ; attempt++) {
    try {
      return await askAndOpen(opening, context, prompt);
    } catch (error) {
      const mayRetry = attempt < attempts && isTerminalInput() && isWrongAnswer(error);
      if (!mayRetry) throw error;
      context.output.error(`${(error as Error).message}. Try again`);
    }
  }
}

async function askAndOpen(opening: RepositoryOpening, context: CommandContext, prompt: string): Promise<Repository> {
  const password = await askForPassword(prompt, context.output, context.cancellation);
  if (password === "") throw emptyPasswordError();
  return opening.open(password);
}

/** What another attempt may change: not a damaged repository, not a lost connection. */
function isWrongAnswer(error: unknown): boolean {
  return (
    hasErrorCode(error, "wrong-password") || (error instanceof Error && error.message === emptyPasswordError().message)
  );
}
