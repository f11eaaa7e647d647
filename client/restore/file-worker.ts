/** The entry of a worker thread that writes files. */
import { serveTasks } from "../reading/task-messages.ts";
import type { RestoreAnswer, RestoreSetup, RestoreTask } from "./file-tasks.ts";
import { FileWriter } from "./file-writer.ts";

serveTasks<RestoreSetup, RestoreTask, RestoreAnswer>((setup) => new FileWriter(setup));
