/** The repository itself: it can be created, and nothing else. */
import { CofferError } from "../../shared/errors.ts";
import { answerEmpty } from "../http/answers.ts";
import type { Exchange, Route } from "./route.ts";

export const repositoryRoute: Route<"repository"> = { allow: "POST", methods: { POST: createRepository } };

async function createRepository({ response, storage }: Exchange<"repository">): Promise<void> {
  const { query } = response.locals.target;
  if (new URLSearchParams(query).get("create") !== "true") {
    throw new CofferError("malformed", `query expected "create=true", got ${JSON.stringify(query)}`);
  }
  await storage.create();
  answerEmpty(response);
}
