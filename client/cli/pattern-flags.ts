/** The flags with patterns that exclude or include, and what they say together. Source: docs/cli.md, patterns. */
import { readPatternFile } from "../filter/pattern-files.ts";
import { invalidPatterns, type PatternLists } from "../filter/select.ts";
import { arrayFlag, type FlagTable, type FlagValues } from "./arguments/flag.ts";
import { fatalError, plainError } from "./exit-status.ts";

export const excludeFlags = {
  exclude: arrayFlag({
    name: "exclude",
    shorthand: "e",
    placeholder: "pattern",
    help: "leave out what matches (several times)",
  }),
  iexclude: arrayFlag({
    name: "iexclude",
    placeholder: "pattern",
    help: "like --exclude, whatever the case of letters",
  }),
  excludeFile: arrayFlag({
    name: "exclude-file",
    placeholder: "file",
    help: "patterns to leave out, one in each line of a file",
  }),
  iexcludeFile: arrayFlag({
    name: "iexclude-file",
    placeholder: "file",
    help: "like --exclude-file, whatever the case of letters",
  }),
} satisfies FlagTable;

export const includeFlags = {
  include: arrayFlag({
    name: "include",
    shorthand: "i",
    placeholder: "pattern",
    help: "only what matches (several times)",
  }),
  iinclude: arrayFlag({
    name: "iinclude",
    placeholder: "pattern",
    help: "like --include, whatever the case of letters",
  }),
  includeFile: arrayFlag({
    name: "include-file",
    placeholder: "file",
    help: "patterns to take, one in each line of a file",
  }),
  iincludeFile: arrayFlag({
    name: "iinclude-file",
    placeholder: "file",
    help: "like --include-file, whatever the case of letters",
  }),
} satisfies FlagTable;

export type ExcludeValues = FlagValues<typeof excludeFlags>;
export type IncludeValues = FlagValues<typeof includeFlags>;

/** The values of four flags of one family, and their names. */
interface PatternFamily {
  readonly verb: "exclude" | "include";
  readonly patterns: readonly string[];
  readonly casePatterns: readonly string[];
  readonly files: readonly string[];
  readonly caseFiles: readonly string[];
}

/** Throws `usage` for files that cannot be read and patterns that cannot be understood. */
export function readExcludes(values: ExcludeValues, environment: NodeJS.ProcessEnv): Promise<PatternLists> {
  return readFamily(
    {
      verb: "exclude",
      patterns: values.exclude,
      casePatterns: values.iexclude,
      files: values.excludeFile,
      caseFiles: values.iexcludeFile,
    },
    environment,
  );
}

/** As `readExcludes`. */
export function readIncludes(values: IncludeValues, environment: NodeJS.ProcessEnv): Promise<PatternLists> {
  return readFamily(
    {
      verb: "include",
      patterns: values.include,
      casePatterns: values.iinclude,
      files: values.includeFile,
      caseFiles: values.iincludeFile,
    },
    environment,
  );
}

/** Files first, as in restic; of several bad flags only the first is told. */
async function readFamily(family: PatternFamily, environment: NodeJS.ProcessEnv): Promise<PatternLists> {
  const { verb } = family;
  const fromFiles = await readFiles(family.files, `--${verb}-file`, environment);
  const fromCaseFiles = await readFiles(family.caseFiles, `--i${verb}-file`, environment);
  refuseInvalid(family.casePatterns, `--i${verb}`);
  refuseInvalid(family.patterns, `--${verb}`);
  return {
    caseSensitive: [...family.patterns, ...fromFiles],
    caseInsensitive: [...family.casePatterns, ...fromCaseFiles],
  };
}

async function readFiles(
  names: readonly string[],
  flag: string,
  environment: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const patterns: string[] = [];
  for (const name of names) {
    try {
      patterns.push(...(await readPatternFile(name, environment)));
    } catch (error) {
      throw plainError(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }
  refuseInvalid(patterns, flag);
  return patterns;
}

/** Throws `usage` with all invalid patterns of one flag. */
export function refuseInvalid(patterns: readonly string[], flag: string): void {
  const invalid = invalidPatterns(patterns);
  if (invalid.length === 0) return;
  throw fatalError([`${flag}: invalid pattern(s) provided:`, ...invalid].join("\n"));
}
