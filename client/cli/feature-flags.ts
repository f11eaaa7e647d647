/**
 * `RESTIC_FEATURES`: names of restic's feature flags. None of them changes what this program does; a value that restic would
 * refuse is refused, and one that restic warns about is warned about, so that a typing error is found. Source: docs/cli.md.
 */
import { parseGoBoolean } from "./arguments/go-values.ts";
import { InvalidValue } from "./arguments/invalid-value.ts";
import { plainError } from "./exit-status.ts";
import { quoteText } from "./text/quote.ts";

const changeableFlags = ["backend-error-redesign", "device-id-for-hardlinks", "s3-restore"];
const settledFlags = [
  "deprecate-legacy-index",
  "deprecate-s3-legacy-layout",
  "explicit-s3-anonymous-auth",
  "safe-forget-keep-tags",
];

/** Warnings about the value, such as `name=true,other`. Throws `usage`. */
export function checkFeatureFlags(text: string): string[] {
  const warnings: string[] = [];
  for (const item of text === "" ? [] : text.split(",")) {
    const [name = "", value] = item.split("=", 2).map((part) => part.trim());
    const isSettled = settledFlags.includes(name);
    if (!isSettled && !changeableFlags.includes(name)) throw plainError(`unknown feature flag ${quoteText(name)}`);
    checkValue(name, value ?? "true");
    if (isSettled) {
      warnings.push(`feature flag ${quoteText(name)} is always enabled and will be removed in a future release`);
    }
  }
  return warnings;
}

function checkValue(name: string, value: string): void {
  try {
    parseGoBoolean(value);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw plainError(`failed to parse value ${quoteText(value)} for feature flag ${name}: ${error.message}`);
  }
}
