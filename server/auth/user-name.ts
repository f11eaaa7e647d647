/** Which names users can have. */

const passwordFileName = /^[\p{L}0-9@._-]+$/u;

/** The names of a password file: letters, digits and `@ . _ -`. */
export function isUserName(name: string): boolean {
  return passwordFileName.test(name);
}

/**
 * Names that a proxy may hand on, who has rules of its own (`DOMAIN\user`, blanks): everything that is one folder name and one field of a
 * log line.
 */
export function isForeignUserName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\p{Cc}\p{Zl}\p{Zp}\u{fffd}]/u.test(name);
}
