/** A pattern for whole paths: component patterns, `**` for any number of components. Source: docs/cli.md, patterns. */
import { compileComponent, type NameMatcher } from "./component-pattern.ts";

/** A cleaned path, split: an absolute one has the root "/" as its first component. */
export type PathComponents = readonly string[];

export interface PathPattern {
  /** Begins with "!": takes back what earlier patterns have matched. */
  readonly isNegated: boolean;
  /** The path itself, or a folder above it. */
  matches(path: PathComponents): boolean;
  /** Something below the path may match; never false when something does. */
  mayMatchBelow(path: PathComponents): boolean;
}

const root = "/";
/** In a compiled pattern: any number of components. */
const anyDepth = "**";

type Part = NameMatcher | typeof anyDepth;

export function splitPath(path: string): PathComponents {
  if (path === root) return [root];
  const components = path.split("/");
  if (components[0] === "") components[0] = root;
  return components;
}

/** Throws `usage` on a component that is no pattern. */
export function compilePattern(text: string): PathPattern {
  const isNegated = text.startsWith("!");
  const cleaned = cleanPattern(isNegated ? text.slice(1) : text);
  // The root alone covers everything below it.
  const components = cleaned === root ? [root, anyDepth] : splitPath(cleaned);
  const parts = components.map((component) => (component === anyDepth ? anyDepth : compileComponent(component)));
  const isAbsolute = components[0] === root;
  return {
    isNegated,
    matches: compileParts(parts, isAbsolute),
    mayMatchBelow: (path) => !isAbsolute || matchesBeginning(parts, path),
  };
}

function compileParts(parts: readonly Part[], isAbsolute: boolean): (path: PathComponents) => boolean {
  const matchers = parts.filter((part) => part !== anyDepth);
  if (matchers.length < parts.length) return (path) => matchesDeep(parts, matchers.length, isAbsolute, path);
  const { length } = matchers;
  return (path) => {
    const lastStart = isAbsolute ? 0 : path.length - length;
    for (let start = firstStart(isAbsolute, path); start <= lastStart; start++) {
      if (matchesAt(matchers, path, start)) return true;
    }
    return false;
  };
}

function firstStart(isAbsolute: boolean, path: PathComponents): number {
  return isAbsolute || path[0] !== root ? 0 : 1;
}

function matchesAt(matchers: readonly NameMatcher[], path: PathComponents, start: number): boolean {
  for (let index = 0; index < matchers.length; index++) {
    const name = path[start + index];
    if (name === undefined || !matchers[index]?.(name)) return false;
  }
  return true;
}

/** For patterns with `**`; `fixed` is the number of parts that are none. */
function matchesDeep(parts: readonly Part[], fixed: number, isAbsolute: boolean, path: PathComponents): boolean {
  if (fixed > path.length || (isAbsolute && !matchesBeginning(parts, path))) return false;
  const deep = parts.length - fixed;
  /**
   * How many components the first n of the `**` may stand for together, less n. restic puts single stars in the place of one `**` after the other, at
   * each as many as would fit if the others stood for one component; so some short paths do not match.
   */
  const spare = path.length - fixed - deep;
  const lastStart = isAbsolute ? 0 : path.length - fixed;
  for (let start = firstStart(isAbsolute, path); start <= lastStart; start++) {
    const match = { parts, path, fixed, spare, dead: deep > 1 ? new Set<number>() : undefined };
    if (matchFrom(match, 0, start, 0, 0)) return true;
  }
  return false;
}

interface Match {
  readonly parts: readonly Part[];
  readonly path: PathComponents;
  /** Parts that are not `**`. */
  readonly fixed: number;
  readonly spare: number;
  /** Places from which nothing matches, part and component in one number: otherwise several `**` would try them again and again. */
  readonly dead: Set<number> | undefined;
}

/** From a part and a component on; `deep` of the `**` before have stood for `taken` components. */
function matchFrom(match: Match, part: number, component: number, deep: number, taken: number): boolean {
  const { parts, path, fixed, spare } = match;
  let at = component;
  for (let index = part; index < parts.length; index++) {
    const matcher = parts[index];
    if (matcher === undefined) return false;
    if (matcher === anyDepth) {
      for (let count = 0; taken + count <= spare + deep + 1 && at + count <= path.length; count++) {
        const place = (index + 1) * (path.length + 1) + at + count;
        if (match.dead?.has(place)) continue;
        if (matchFrom(match, index + 1, at + count, deep + 1, taken + count)) return true;
        match.dead?.add(place);
      }
      return false;
    }
    const name = path[at++];
    if (name === undefined || !matcher(name)) return false;
  }
  // Nothing but empty `**` is no match.
  return fixed + taken > 0;
}

function matchesBeginning(parts: readonly Part[], path: PathComponents): boolean {
  const end = Math.min(parts.length, path.length);
  for (let index = 0; index < end; index++) {
    const matcher = parts[index];
    if (matcher === anyDepth) return true;
    if (!matcher?.(path[index] ?? "")) return false;
  }
  return true;
}

/** The shortest pattern that means the same as text: no empty and "." components, "a/.." taken away. */
function cleanPattern(pattern: string): string {
  const isAbsolute = pattern.startsWith(root);
  const kept: string[] = [];
  for (const component of pattern.split("/")) {
    if (component === "" || component === ".") continue;
    if (component !== "..") kept.push(component);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isAbsolute) kept.push("..");
  }
  const joined = kept.join("/");
  if (isAbsolute) return root + joined;
  return joined === "" ? "." : joined;
}
