/** The steps that every request takes, one after the other. */
import type { Step } from "./locals.ts";

/**
 * All steps as one. Express could take them one by one, but looks at the path before each: for ten of them that is a tenth of what a
 * small request costs. What a step throws, or passes to its `next`, goes to Express.
 */
export function inOrder(steps: readonly Step[]): Step {
  return (request, response, done) => {
    const take = (index: number): void | Promise<void> => {
      const step = steps[index];
      if (step === undefined) return done();
      return step(request, response, (error?: unknown) => {
        if (error === undefined) watch(take(index + 1));
        else done(error);
      });
    };
    const watch = (result: void | Promise<void>): void => {
      if (result instanceof Promise) result.catch(done);
    };
    return take(0);
  };
}
