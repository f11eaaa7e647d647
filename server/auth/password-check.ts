/** Comparing passwords with hashes so that a refusal takes the same time whoever is named. */
import { createHash, timingSafeEqual } from "node:crypto";
import { verify } from "@node-rs/bcrypt";
import type { HtpasswdTable, PasswordHash } from "./htpasswd.ts";

/** The cheapest cost that bcrypt has. */
const lowestCost = 4;

/**
 * True when the password is the user's. What the user's own hash costs less than the most expensive one of the table (all of it, when
 * there is no such user) is spent on hashes that fit nothing, so that no name can be found out by timing.
 */
export async function checkPassword(table: HtpasswdTable, user: string, password: Uint8Array): Promise<boolean> {
  const hash = table.hashes.get(user);
  if (hash !== undefined && (await matches(hash, password))) return true;
  await spendRest(hash?.kind === "bcrypt" ? hash.cost : undefined, table.highestCost);
  return false;
}

async function matches(hash: PasswordHash, password: Uint8Array): Promise<boolean> {
  if (hash.kind === "sha1") return timingSafeEqual(createHash("sha1").update(password).digest(), hash.digest);
  return verify(password, hash.encoded);
}

/** Each step of cost doubles the work: one comparison of every cost from the spent one up to the last but one makes up the difference. */
async function spendRest(spentCost: number | undefined, highestCost: number): Promise<void> {
  if (highestCost < lowestCost) return;
  if (spentCost === undefined) {
    await verify("", dummyHash(highestCost));
    return;
  }
  for (let cost = spentCost; cost < highestCost; cost++) await verify("", dummyHash(cost));
}

/** Well formed, and the hash of no password that anybody knows. */
function dummyHash(cost: number): string {
  return `$2b$${String(cost).padStart(2, "0")}$${".".repeat(53)}`;
}
