/** Files of users and hashed passwords, as Apache's htpasswd writes them. */
import { isUserName } from "./user-name.ts";

export type PasswordHash =
  | { readonly kind: "bcrypt"; readonly encoded: string; readonly cost: number }
  /** SHA-1 without salt, 20 bytes. */
  | { readonly kind: "sha1"; readonly digest: Uint8Array };

export interface HtpasswdTable {
  readonly hashes: ReadonlyMap<string, PasswordHash>;
  /** The most expensive bcrypt hash; 0 when there is none. */
  readonly highestCost: number;
  /** What in the file was ignored, and why. */
  readonly warnings: readonly string[];
}

const bcryptHash = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;
const sha1Hash = /^\{SHA\}([A-Za-z0-9+/]{27}=)$/;

/** A line that means nothing costs only itself. Of several lines for a user, the last one counts. */
export function parseHtpasswd(text: string): HtpasswdTable {
  const hashes = new Map<string, PasswordHash>();
  const warnings: string[] = [];
  for (const [i, rawLine] of text.split(/\r?\n/).entries()) {
    const line = rawLine.trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const [user = "", encoded] = line.split(":");
    if (encoded === undefined) {
      warnings.push(`Ignoring line ${i + 1} of htpasswd: expected "user:hash", got no colon`);
      continue;
    }
    if (!isUserName(user)) {
      warnings.push(
        `Ignoring invalid username ${JSON.stringify(user)} in htpasswd, consists of other than letters, digits and @._-`,
      );
      continue;
    }
    const hash = parseHash(encoded);
    if (hash !== undefined) hashes.set(user, hash);
    else
      warnings.push(
        `Ignoring user ${JSON.stringify(user)} in htpasswd: expected a hash of bcrypt or {SHA}; make one with "htpasswd -B"`,
      );
  }
  const costs = Array.from(hashes.values(), (hash) => (hash.kind === "bcrypt" ? hash.cost : 0));
  return { hashes, highestCost: Math.max(0, ...costs), warnings };
}

function parseHash(encoded: string): PasswordHash | undefined {
  const text = encoded.trimEnd();
  const bcrypt = bcryptHash.exec(text);
  if (bcrypt !== null) return { kind: "bcrypt", encoded: canonicalBcrypt(text), cost: Number(bcrypt[1]) };
  const digest = sha1Hash.exec(text)?.[1];
  return digest === undefined ? undefined : { kind: "sha1", digest: Buffer.from(digest, "base64") };
}

const bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** The last digits of salt (16 bytes in 22 digits) and hash (23 bytes in 31): the bits that carry nothing. */
const bcryptPadding = [
  { position: 28, spareBits: 4 },
  { position: 59, spareBits: 2 },
];

/** Some programs fill the spare bits with anything, and the library compares texts. */
function canonicalBcrypt(encoded: string): string {
  const digits = [...encoded];
  for (const { position, spareBits } of bcryptPadding) {
    const value = bcryptDigits.indexOf(digits[position] ?? "");
    digits[position] = bcryptDigits[(value >> spareBits) << spareBits] ?? "";
  }
  return digits.join("");
}
