/** What `key add` and `key passwd` have in common: the flags, the new password, the key made of it. */
import { formatTime } from "../../shared/format/time.ts";
import { localZoneOffset } from "../platform/time-zone.ts";
import type { NewKey } from "../repository/keys.ts";
import { calibrateScrypt } from "../repository/scrypt-cost.ts";
import { booleanFlag, type FlagTable, type FlagValues, textFlag } from "./arguments/flag.ts";
import type { CommandContext } from "./command.ts";
import { fatalError, plainError } from "./exit-status.ts";
import { nowNs, processOwner } from "./machine.ts";
import { askForNewPassword, emptyNewPasswordError, readPasswordFile } from "./password/sources.ts";
import type { Session } from "./session.ts";

export const newKeyFlags = {
  newPasswordFile: textFlag({
    name: "new-password-file",
    placeholder: "file",
    help: "file with the new password",
  }),
  newInsecureNoPassword: booleanFlag({
    name: "new-insecure-no-password",
    help: "the new key has an empty password (insecure)",
  }),
  username: textFlag({ name: "user", placeholder: "string", help: "user name that the new key is stored with" }),
  hostname: textFlag({ name: "host", placeholder: "string", help: "host name that the new key is stored with" }),
} satisfies FlagTable;

export type NewKeyValues = FlagValues<typeof newKeyFlags>;

/** Throws `usage` for arguments of a command that has none. */
export function refuseOperands(name: string, operands: readonly unknown[]): void {
  if (operands.length === 0) return;
  throw plainError(
    `the ${name} command expects no arguments, only options - please see \`coffer help ${name}\` for usage and flags`,
  );
}

/** Asks for the password if need be. Throws `usage` for contradictory flags, an empty password, or two that differ. */
export async function makeNewKey(context: CommandContext, session: Session, values: NewKeyValues): Promise<NewKey> {
  const password = await newPassword(context, values);
  const owner = processOwner();
  return {
    password,
    username: values.username || owner.username,
    hostname: values.hostname || owner.hostname,
    created: formatTime(nowNs(), localZoneOffset),
    parameters: await calibrateScrypt(session.provider, () => performance.now()),
  };
}

async function newPassword({ output, cancellation }: CommandContext, values: NewKeyValues): Promise<string> {
  const { newPasswordFile, newInsecureNoPassword } = values;
  if (newPasswordFile !== "" && newInsecureNoPassword) {
    throw plainError("only either --new-password-file or --new-insecure-no-password may be specified");
  }
  if (newInsecureNoPassword) return "";
  const password =
    newPasswordFile === ""
      ? await askForNewPassword("enter new password: ", output, cancellation)
      : await readNewPasswordFile(newPasswordFile);
  if (password === "") throw emptyNewPasswordError();
  return password;
}

async function readNewPasswordFile(path: string): Promise<string> {
  try {
    return await readPasswordFile(path);
  } catch (error) {
    throw fatalError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
