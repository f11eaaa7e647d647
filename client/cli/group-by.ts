/** The value of `--group-by` flags. */
import { type GroupBy, parseGroupBy } from "../repository/snapshot-filter.ts";
import { InvalidValue } from "./arguments/invalid-value.ts";

/** Throws `InvalidValue`. */
export function parseGroupByFlag(text: string): GroupBy {
  try {
    return parseGroupBy(text);
  } catch (error) {
    throw new InvalidValue(error instanceof Error ? error.message : String(error));
  }
}
