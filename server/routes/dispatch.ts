/** Finds what a request addresses and hands it to the route of that resource. */
import { CofferError } from "../../shared/errors.ts";
import { answerProblem } from "../http/answers.ts";
import type { Answer, Locals, ServerRequest, Step } from "../http/locals.ts";
import { type Access, accessTo, type Policy, type PolicySource, rightsIn, type Subject } from "../policy/policy.ts";
import { GuardedStorage } from "../storage/guarded.ts";
import type { Repositories, Storage } from "../storage/storage.ts";
import { type Address, parseAddress, type Resource } from "./address.ts";
import { batchRoute } from "./batch.ts";
import { configRoute } from "./config.ts";
import { listRoute } from "./list.ts";
import { objectRoute } from "./object.ts";
import { repositoryRoute } from "./repository.ts";
import type { Exchange, Route } from "./route.ts";

type Routes = { readonly [Kind in Resource["kind"]]: Route<Kind> };

/** The routes of each resource. */
export const routes: Routes = {
  repository: repositoryRoute,
  config: configRoute,
  list: listRoute,
  object: objectRoute,
  batch: batchRoute,
};

/** The last step: everything about repositories. */
export function dispatchTo(repositories: Repositories, policies: PolicySource): Step {
  return async (request, response) => {
    const { user, target } = response.locals;
    const address = parseAddress(target.path);
    const { folders, resource } = address;
    response.locals.address = address;
    const { clientAddress } = response.locals;
    const access = requireAccess(await policies.current(), { user, address: clientAddress, folders });
    if (resource === undefined)
      throw new CofferError("not-found", `nothing has the path ${JSON.stringify(target.path)}`);
    // Outside of the guard: what is refused is told, too.
    const open = (): Storage => watched(new GuardedStorage(repositories.at(folders), access), folders, response.locals);
    await serve(routes[resource.kind] as Route<Resource["kind"]>, request, response, open, { ...address, resource });
  };
}

/** Somebody without any right to a repository does not learn whether it exists. */
function requireAccess(policy: Policy, subject: Subject): Access {
  const access = accessTo(policy, subject);
  if (rightsIn(access).length > 0) return access;
  const [user, repository] = [subject.user, subject.folders.join("/")].map((text) => JSON.stringify(text));
  throw new CofferError(policy.refusal, `user ${user} has no rights to the repository ${repository}`);
}

async function serve(
  route: Route<Resource["kind"]>,
  request: ServerRequest,
  response: Answer,
  open: () => Storage,
  address: Required<Address>,
): Promise<void> {
  const method = Object.hasOwn(route.methods, request.method) ? route.methods[request.method] : undefined;
  if (method === undefined) return answerProblem(response, 405, { Allow: route.allow });
  await method({ request, response, storage: open(), resource: address.resource } as Exchange<Resource["kind"]>);
}

/** What is done with a repository, told to those who want to know. */
function watched(repository: Storage, folders: readonly string[], locals: Locals): Storage {
  return locals.observation?.watch(repository, folders, locals) ?? repository;
}
