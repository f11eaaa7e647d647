/** The entry of a worker thread of a check. */
import { serveTasks } from "../reading/task-messages.ts";
import { CheckReader } from "./check-reader.ts";
import type { CheckAnswer, CheckSetup, CheckTask } from "./check-tasks.ts";

serveTasks<CheckSetup, CheckTask, CheckAnswer>((setup) => new CheckReader(setup));
