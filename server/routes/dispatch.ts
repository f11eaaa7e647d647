/** Finds what a request addresses and hands it to the route of that resource. */
import { CofferError } from "../../shared/errors.ts";
import { mayAddress } from "../auth/access.ts";
import { answerProblem } from "../http/answers.ts";
import type { Answer, ServerRequest, Step } from "../http/locals.ts";
import type { Repositories, Storage } from "../storage/storage.ts";
import { type Address, parseAddress, type Resource } from "./address.ts";
import { batchRoute } from "./batch.ts";
import { configRoute } from "./config.ts";
import { listRoute } from "./list.ts";
import { objectRoute } from "./object.ts";
import { repositoryRoute } from "./repository.ts";
import type { Exchange, Route } from "./route.ts";

type Routes = { readonly [Kind in Resource["kind"]]: Route<Kind> };

const routes: Routes = {
  repository: repositoryRoute,
  config: configRoute,
  list: listRoute,
  object: objectRoute,
  batch: batchRoute,
};

/** The last step: everything about repositories. */
export function dispatchTo(repositories: Repositories, privateRepositories: boolean): Step {
  return async (request, response) => {
    const { user, target } = response.locals;
    const address = parseAddress(target.path);
    if (privateRepositories && !mayAddress(user, address.folders)) {
      throw new CofferError(
        "unauthorized",
        `user ${JSON.stringify(user)} has no rights outside the folder of that name`,
      );
    }
    const { resource } = address;
    if (resource === undefined)
      throw new CofferError("not-found", `nothing has the path ${JSON.stringify(target.path)}`);
    await serve(routes[resource.kind] as Route<Resource["kind"]>, request, response, repositories, {
      ...address,
      resource,
    });
  };
}

async function serve(
  route: Route<Resource["kind"]>,
  request: ServerRequest,
  response: Answer,
  repositories: Repositories,
  address: Required<Address>,
): Promise<void> {
  const method = Object.hasOwn(route.methods, request.method) ? route.methods[request.method] : undefined;
  if (method === undefined) return answerProblem(response, 405, { Allow: route.allow });
  const storage: Storage = repositories.at(address.folders);
  await method({ request, response, storage, resource: address.resource } as Exchange<Resource["kind"]>);
}
