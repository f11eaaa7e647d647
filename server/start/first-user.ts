/** The first user of a new server. */
import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { hash } from "@node-rs/bcrypt";
import { CofferError } from "../../shared/errors.ts";
import { ownerModes } from "../storage/disk/file-system.ts";
import { makeFolders } from "../storage/disk/folders.ts";

export interface FirstUser {
  readonly user: string;
  readonly password: string;
}

const firstUserName = "coffer";
const passwordBytes = 18;
/** 150 bits of randomness need no slow hash; it is there for the passwords that people choose. */
const bcryptCost = 10;

/**
 * Makes an htpasswd file with one user and a random password, or returns undefined when the file exists already. Throws
 * `unavailable` when it cannot be written.
 */
export async function createFirstUser(htpasswdFile: string): Promise<FirstUser | undefined> {
  const password = randomBytes(passwordBytes).toString("base64url");
  const line = `${firstUserName}:${await hash(password, { cost: bcryptCost, version: "2y" })}\n`;
  try {
    await makeFolders(dirname(htpasswdFile), ownerModes.folder);
    const file = await open(htpasswdFile, "wx", 0o600);
    try {
      await file.writeFile(line);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException;
    if (error.code === "EEXIST") return undefined;
    throw new CofferError("unavailable", `cannot make the htpasswd file: ${error.message}`, { cause });
  }
  return { user: firstUserName, password };
}
