/** The target of a request, as it came over the line: nothing decoded, nothing resolved. */

export interface RequestTarget {
  /** Begins with "/", escapes as sent. */
  readonly path: string;
  /** Without "?"; empty when there is none. */
  readonly query: string;
}

/** Takes the origin form ("/path?query") and the absolute form that proxies send ("http://host/path?query"). */
export function parseTarget(url: string): RequestTarget {
  const origin = /^https?:\/\/[^/?#]*/i.exec(url);
  const rest = origin === null ? url : url.slice(origin[0].length) || "/";
  const questionMark = rest.indexOf("?");
  if (questionMark < 0) return { path: rest, query: "" };
  return { path: rest.slice(0, questionMark), query: rest.slice(questionMark + 1) };
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
