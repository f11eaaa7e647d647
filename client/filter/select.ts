/**
 * Lists of patterns, and what they say about paths. In a list the last pattern that matches decides; of the two lists, with and without
 * regard to case, either is enough. Paths are absolute and clean, as `decodePath` gives them.
 * Source: docs/cli.md, patterns.
 */

import { compilePattern, type PathComponents, type PathPattern, splitPath } from "./path-pattern.ts";
import { lowerCase } from "./path-text.ts";

/** Empty patterns are ignored. */
export interface PatternLists {
  readonly caseSensitive: readonly string[];
  readonly caseInsensitive: readonly string[];
}

export interface ExcludeFilter {
  readonly isEmpty: boolean;
  /** True for a path that is to be left out, with everything below it. */
  excludes(path: string): boolean;
}

export interface IncludeFilter {
  readonly isEmpty: boolean;
  /** True for a path that is wanted. */
  selects(path: string): boolean;
  /** False when nothing below a folder can be wanted. */
  mayDescend(path: string): boolean;
}

/** Throws `usage` on an invalid pattern; see `invalidPatterns`. */
export function createExcludeFilter(lists: PatternLists): ExcludeFilter {
  const { isEmpty, some } = compileLists(lists);
  return { isEmpty, excludes: (path) => some(path, (list, components) => list.matches(components)) };
}

/** Throws `usage` on an invalid pattern; see `invalidPatterns`. */
export function createIncludeFilter(lists: PatternLists): IncludeFilter {
  const { isEmpty, some } = compileLists(lists);
  return {
    isEmpty,
    selects: (path) => some(path, (list, components) => list.matches(components)),
    mayDescend: (path) => some(path, (list, components) => list.mayMatchBelow(components)),
  };
}

/** The selection that an exclude filter means to a restore. */
export function selectUnlessExcluded({ excludes, isEmpty }: ExcludeFilter): IncludeFilter {
  const selects = (path: string): boolean => !excludes(path);
  return { isEmpty, selects, mayDescend: selects };
}

/** The patterns, as given, that cannot be understood. */
export function invalidPatterns(patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => {
    try {
      compilePattern(pattern);
      return false;
    } catch {
      return true;
    }
  });
}

interface CompiledLists {
  readonly isEmpty: boolean;
  some(path: string, test: (list: PatternList, components: PathComponents) => boolean): boolean;
}

function compileLists({ caseSensitive, caseInsensitive }: PatternLists): CompiledLists {
  const exact = new PatternList(caseSensitive);
  const folded = new PatternList(caseInsensitive.map(lowerCase));
  return {
    isEmpty: exact.isEmpty && folded.isEmpty,
    some: (path, test) =>
      (!exact.isEmpty && test(exact, splitPath(path))) || (!folded.isEmpty && test(folded, splitPath(lowerCase(path)))),
  };
}

class PatternList {
  readonly #patterns: readonly PathPattern[];

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.filter((pattern) => pattern !== "").map(compilePattern);
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  matches(path: PathComponents): boolean {
    let isMatched = false;
    for (const pattern of this.#patterns) {
      // Only a pattern that would change the outcome need be asked.
      if (isMatched === pattern.isNegated && pattern.matches(path)) isMatched = !isMatched;
    }
    return isMatched;
  }

  mayMatchBelow(path: PathComponents): boolean {
    let isPossible = false;
    for (const pattern of this.#patterns) {
      if (isPossible !== pattern.isNegated) continue;
      if (pattern.isNegated ? pattern.matches(path) : pattern.mayMatchBelow(path)) isPossible = !isPossible;
    }
    return isPossible;
  }
}
