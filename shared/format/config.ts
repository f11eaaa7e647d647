/** The repository's configuration: sealed, but neither compressed nor named by its hash. Source: docs/format.md. */
import { CofferError } from "../errors.ts";
import { JsonFields } from "./json-fields.ts";
import type { Id } from "./layout.ts";
import { formatPolynomial, parsePolynomial } from "./polynomial.ts";

export type RepositoryVersion = 1 | 2;

export interface Config {
  readonly version: RepositoryVersion;
  /** Random; never changes; names the cache folder. */
  readonly id: Id;
  readonly chunkerPolynomial: bigint;
}

/** The JSON text to be sealed as it is. */
export function encodeConfig(config: Config): string {
  const polynomial = formatPolynomial(config.chunkerPolynomial);
  return `{"version":${config.version},"id":"${config.id}","chunker_polynomial":"${polynomial}"}`;
}

/**
 * Throws `unsupported` on versions other than 1 and 2, `malformed` on anything that is not a configuration, which
 * includes a polynomial that is not irreducible: with it, deduplication would silently stop working.
 */
export function parseConfig(document: string | Uint8Array): Config {
  const fields = JsonFields.parse("config", document);
  const version = fields.integer("version");
  if (version !== 1 && version !== 2) {
    throw new CofferError("unsupported", `repository version expected 1 or 2, got ${version}; use a newer program`);
  }
  return { version, id: fields.id("id"), chunkerPolynomial: parsePolynomial(fields.string("chunker_polynomial")) };
}
