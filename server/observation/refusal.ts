/** Which answers say that something was not allowed. */

/** Bad content, no credentials, no right, no room: what whoever looks at an audit log wants to see. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 507]);

export function isRefusal(status: number): boolean {
  return refusals.has(status);
}
