/** `/metrics`: for any user, with private repositories for the user `metrics`, or for everybody. */
import { answerProblem } from "../http/answers.ts";
import type { Login } from "../http/authentication.ts";
import type { Step } from "../http/locals.ts";
import { answerPage, type Page, setPageHeaders } from "../pages/page.ts";

export interface MetricsPage {
  readonly page: Page;
  /** Nobody has to log in for it. */
  readonly isPublic: boolean;
}

/** With private repositories, the names of others are nobody's business: only this user sees them. */
const privilegedUser = "metrics";

/** Answers this one path, before anybody is asked about repositories. */
export function serveMetrics({ page, isPublic }: MetricsPage, login: Login, privateRepositories: boolean): Step {
  return async (request, response, next) => {
    const { locals } = response;
    if (locals.target.path !== "/metrics") return next();
    setPageHeaders(response);
    if (!isPublic) {
      if (!(await login.identify(request, response))) return;
      if (privateRepositories && locals.user !== privilegedUser) return answerProblem(response, 401);
    }
    await answerPage(request, response, page);
  };
}
