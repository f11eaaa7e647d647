/** What a user may do. */

/** With private repositories, everybody has the repositories below the folder of their own name, and no others. */
export function mayAddress(user: string, folders: readonly string[]): boolean {
  return user !== "" && folders[0] === user;
}
