/** What to do about findings: the paragraphs with which a check ends. Each is one message, its line feeds included. */
import type { CheckResult } from "./options.ts";

/** Empty when there is nothing to do. */
export function adviceFor(result: CheckResult): readonly string[] {
  if (result.problemCount === 0) return [];
  if (result.brokenPacks.length > 0) return brokenPacksAdvice(result.brokenPacks);
  if (result.isIndexDamaged) {
    return [
      "\nThe repository index is damaged and must be repaired. You must run `restic repair index' to correct this.\n\n",
    ];
  }
  return [
    "\nThe repository is damaged and must be repaired. Please follow the troubleshooting guide at " +
      "https://restic.readthedocs.io/en/stable/077_troubleshooting.html .\n\n",
  ];
}

function brokenPacksAdvice(packs: readonly string[]): readonly string[] {
  return [
    "\nThe repository contains damaged pack files. These damaged files must be removed to repair the repository. " +
      "This can be done using the following commands. Please read the troubleshooting guide at " +
      "https://restic.readthedocs.io/en/stable/077_troubleshooting.html first.\n\n" +
      `restic repair packs ${packs.join(" ")}\n` +
      "restic repair snapshots --forget\n\n" +
      "Damaged pack files can be caused by backend problems, hardware problems or bugs in the program that wrote them.\n",
  ];
}

/** The note about packs that no index knows; empty without them. */
export function noteOnAdditionalFiles(result: Pick<CheckResult, "additionalFiles">): readonly string[] {
  if (result.additionalFiles === 0) return [];
  return [
    `${result.additionalFiles} additional files were found in the repo, which likely contain duplicate data.`,
    "This is non-critical, you can run `restic prune` to correct this.",
  ];
}
