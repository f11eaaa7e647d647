/**
 * Mocha's "spec" reporter, and at the end the true counts as JSON in the file that COFFER_TEST_SUMMARY names: CI
 * prints them and sees from them whether every interop test ran.
 */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import Mocha from "mocha";

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  /** Passed tests by test file, relative to the project. */
  readonly passedByFile: Readonly<Record<string, number>>;
}

class SummaryReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    // Not later: a test may change it.
    const project = process.cwd();
    const counts = { passed: 0, failed: 0 };
    const skipped: string[] = [];
    const passedByFile: Record<string, number> = {};
    runner.on(EVENT_TEST_PASS, (test) => {
      counts.passed += 1;
      const file = relative(project, test.file ?? "");
      passedByFile[file] = (passedByFile[file] ?? 0) + 1;
    });
    runner.on(EVENT_TEST_FAIL, () => {
      counts.failed += 1;
    });
    runner.on(EVENT_TEST_PENDING, (test) => {
      skipped.push(test.fullTitle());
    });
    runner.once(EVENT_RUN_END, () => {
      const path = process.env["COFFER_TEST_SUMMARY"];
      const summary: TestSummary = { ...counts, skipped, passedByFile };
      if (path) writeFileSync(path, JSON.stringify(summary, undefined, 2));
    });
  }
}

// Mocha loads a reporter as a CommonJS module and takes its default export.
// biome-ignore lint/style/noDefaultExport: the reporter interface asks for it
export default SummaryReporter;
