/** The screen that standard output is, if it is one. */
import { readFileSync } from "node:fs";
import { isatty, WriteStream } from "node:tty";
import { noScreen, type Screen } from "./terminal.ts";

const standardOutput = 1;
const unknownWidth = 80;

export function processScreen(environment: NodeJS.ProcessEnv): Screen {
  if (!isatty(standardOutput)) return noScreen;
  const kind = environment["TERM"];
  const stream = new WriteStream(standardOutput);
  return {
    isTerminal: true,
    canUpdate: kind !== undefined && kind !== "" && kind !== "dumb",
    width: () => columnsOf(stream),
    isForeground: isForegroundProcess,
  };
}

function columnsOf(stream: WriteStream): number {
  const [columns] = stream.getWindowSize();
  return columns > 0 ? columns : unknownWidth;
}

/** Whether the terminal's foreground group is this process's. Only Linux tells without a system call that Node lacks. */
function isForegroundProcess(): boolean {
  try {
    const status = readFileSync("/proc/self/stat", "latin1");
    const [, , group, , , foregroundGroup] = status.slice(status.lastIndexOf(")") + 2).split(" ");
    return group === foregroundGroup;
  } catch {
    return true;
  }
}
