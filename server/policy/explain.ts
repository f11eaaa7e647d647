/** Why the server answers a request as it does, in words. */
import { CofferError } from "../../shared/errors.ts";
import { statusOfError } from "../http/statuses.ts";
import { cleanPath, originForm, parseTarget } from "../http/target.ts";
import { quotaLimits } from "../quota/limits.ts";
import { type Address, parseAddress } from "../routes/address.ts";
import { formatSize } from "../sizes.ts";
import { operationOf } from "./operations.ts";
import { type Access, accessTo, decideOn, type Policy, rightsIn } from "./policy.ts";
import { describeOperation } from "./rights.ts";

export interface Question {
  readonly user: string;
  readonly address?: string | undefined;
  /** As a client sends it, a query included. */
  readonly path: string;
  /** In upper case. */
  readonly method: string;
}

export interface Explanation {
  readonly lines: readonly string[];
  /** The policy lets it through; what the storage then says is another matter. */
  readonly isAllowed: boolean;
}

/** Takes the path apart exactly as the server does. */
export function explain(policy: Policy, question: Question): Explanation {
  const { path: asked } = parseTarget(originForm(question.path) ?? question.path);
  const cleaned = cleanPath(asked);
  const lines = cleaned === undefined ? [] : [`the server redirects to ${cleaned} (307), which is answered so:`];
  let address: Address;
  try {
    address = parseAddress(cleaned ?? asked);
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    return { lines: [...lines, refused(statusOfError(error.code), error.message)], isAllowed: false };
  }
  const access = accessTo(policy, { user: question.user, address: question.address, folders: address.folders });
  const { verdict, isAllowed } = judge(policy, access, question.method, address);
  return { lines: [...lines, ...describe(policy, access, question, address), verdict], isAllowed };
}

function judge(
  policy: Policy,
  access: Access,
  method: string,
  { resource }: Address,
): { verdict: string; isAllowed: boolean } {
  const isOutside = rightsIn(access).length === 0;
  const status = statusOfError(isOutside ? policy.refusal : "forbidden");
  const operation = resource === undefined ? undefined : operationOf(method, resource);
  if (operation !== undefined) {
    const { allowed, reason } = decideOn(access, operation);
    const verdict = allowed ? `allowed: ${describeOperation(operation)}, because ${reason}` : refused(status, reason);
    return { verdict, isAllowed: allowed };
  }
  if (isOutside) return { verdict: refused(status, "there is no right to this repository"), isAllowed: false };
  const verdict =
    resource === undefined
      ? refused(404, "nothing in a repository has such a path")
      : refused(405, `${method} is no method of this path`);
  return { verdict, isAllowed: false };
}

function refused(status: number, reason: string): string {
  return `refused (${status}): ${reason}`;
}

function describe(policy: Policy, access: Access, { user, address }: Question, { folders }: Address): string[] {
  const rights = rightsIn(access);
  const who = user === "" ? "somebody without a name" : `user ${JSON.stringify(user)}`;
  const place = address === undefined ? "an unknown address (--address gives one)" : address;
  const limits = quotaLimits(undefined, policy.quotas)(folders);
  return [
    `who:        ${who}, from ${place}`,
    `repository: /${folders.join("/")}`,
    `rights:     ${rights.length === 0 ? "none" : rights.join(", ")}`,
    ...limits.map(({ title, limitBytes }) => `quota:      ${formatSize(limitBytes)} for ${title}`),
  ];
}
