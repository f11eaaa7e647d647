/** The users of the htpasswd file: `user add`, `user list`, `user remove`. */
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hash } from "@node-rs/bcrypt";
import { CofferError } from "../../shared/errors.ts";
import { parseHtpasswd } from "../auth/htpasswd.ts";
import { isUserName } from "../auth/user-name.ts";
import { type Arguments, type Command, readArguments } from "./command.ts";
import { changeHtpasswd, withoutUser, withUser } from "./htpasswd-file.ts";
import { readNewPassword } from "./new-password.ts";

const defaultCost = 10;
const placeUsage = "[--htpasswd-file FILE | --path FOLDER]";
const placeFlags = { "htpasswd-file": { type: "string" }, path: { type: "string" } } as const;

export const userAdd: Command = {
  name: "user add",
  usage: `NAME [--password-file FILE] [--cost 4-31] ${placeUsage}`,
  help: "add a user, or give one a new password: asked for, or the first line of FILE or of standard input",
  run: addUser,
};

export const userList: Command = {
  name: "user list",
  usage: placeUsage,
  help: "print the users, and the kind of their hashes",
  run: listUsers,
};

export const userRemove: Command = {
  name: "user remove",
  usage: `NAME ${placeUsage}`,
  help: "remove a user; what is stored stays",
  run: removeUser,
};

async function addUser(parameters: readonly string[]): Promise<number> {
  const flags = { ...placeFlags, "password-file": { type: "string" }, cost: { type: "string" } } as const;
  const found = readArguments(userAdd, parameters, 1, flags);
  const user = requireUserName(found);
  const cost = parseCost(found.strings["cost"] ?? String(defaultCost));
  const password = await readNewPassword(user, found.strings["password-file"]);
  const encoded = await hash(password, { cost, version: "2y" });
  const path = htpasswdPath(found);
  let isKnown = false;
  const change = (text: string): string => {
    isKnown = withoutUser(text, user) !== undefined;
    return withUser(text, user, encoded);
  };
  await changeHtpasswd(path, change, { makes: true });
  process.stdout.write(isKnown ? `Changed the password of ${user} in ${path}\n` : `Added ${user} to ${path}\n`);
  return 0;
}

async function removeUser(parameters: readonly string[]): Promise<number> {
  const found = readArguments(userRemove, parameters, 1, placeFlags);
  const [user = ""] = found.positionals;
  const path = htpasswdPath(found);
  const change = (text: string): string => {
    const changed = withoutUser(text, user);
    if (changed !== undefined) return changed;
    throw new CofferError("not-found", `${path} has no user ${JSON.stringify(user)}`);
  };
  await changeHtpasswd(path, change, { makes: false });
  process.stdout.write(`Removed ${user} from ${path}\n`);
  return 0;
}

async function listUsers(parameters: readonly string[]): Promise<number> {
  const path = htpasswdPath(readArguments(userList, parameters, 0, placeFlags));
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new CofferError("usage", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  const { hashes, warnings } = parseHtpasswd(text);
  for (const [user, found] of hashes) {
    const kind = found.kind === "bcrypt" ? `bcrypt, cost ${found.cost}` : "SHA-1: give it a new password";
    process.stdout.write(`${user}\t${kind}\n`);
  }
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  return 0;
}

function requireUserName({ positionals: [user = ""] }: Arguments): string {
  if (isUserName(user)) return user;
  throw new CofferError("usage", `a user's name consists of letters, digits and @._-, got ${JSON.stringify(user)}`);
}

function parseCost(text: string): number {
  const cost = Number(text);
  if (/^\d{1,2}$/.test(text) && cost >= 4 && cost <= 31) return cost;
  throw new CofferError("usage", `--cost expected a number from 4 to 31, got ${JSON.stringify(text)}`);
}

/** The same file as the server takes when it is given the same flags. */
function htpasswdPath({ strings }: Arguments): string {
  return strings["htpasswd-file"] ?? join(strings["path"] ?? join(tmpdir(), "restic"), ".htpasswd");
}
