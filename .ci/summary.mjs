// Reads the summary that the test reporter wrote: `counts FILE` prints "PASSED FAILED"; `verify FILE` fails when a
// test was skipped or when a test file (interop tests above all) ran no test.
import { readdirSync, readFileSync } from "node:fs";

const [mode, path] = process.argv.slice(2);
const summary = JSON.parse(readFileSync(path, "utf8"));

if (mode === "counts") {
  process.stdout.write(`${summary.passed} ${summary.failed}\n`);
} else {
  const problems = summary.skipped.map((title) => `skipped: ${title}`);
  for (const file of readdirSync("test", { recursive: true })) {
    if (file.endsWith(".test.ts") && !summary.passedByFile[`test/${file}`])
      problems.push(`no test ran in test/${file}`);
  }
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
