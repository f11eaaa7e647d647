/** The target of a request, as it came over the line: nothing decoded, nothing resolved. */

export interface RequestTarget {
  /** Begins with "/", escapes as sent. */
  readonly path: string;
  /** Without "?"; empty when there is none. */
  readonly query: string;
}

/** The origin form ("/path?query") of a target, also of the absolute form that proxies send ("http://host/path?query"); else undefined. */
export function originForm(target: string): string | undefined {
  if (target.startsWith("/")) return target;
  const origin = /^https?:\/\/[^/?#]*/i.exec(target);
  if (origin === null) return undefined;
  const rest = target.slice(origin[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Takes the origin form. */
export function parseTarget(url: string): RequestTarget {
  const questionMark = url.indexOf("?");
  if (questionMark < 0) return { path: url, query: "" };
  return { path: url.slice(0, questionMark), query: url.slice(questionMark + 1) };
}

/**
 * The path that is meant when a path has empty or dot segments, or undefined when it has none. Escaped dots are not
 * looked at: they are ordinary characters here, and refused later as names of folders.
 */
export function cleanPath(path: string): string | undefined {
  if (!/\/\/|\/\.\.?(?:\/|$)/.test(path)) return undefined;
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const cleaned = `/${kept.join("/")}`;
  return path.endsWith("/") && cleaned !== "/" ? `${cleaned}/` : cleaned;
}
