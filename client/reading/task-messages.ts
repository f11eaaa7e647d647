/** What the main thread and its workers say to each other, and the worker's side of it. */
import { parentPort, workerData } from "node:worker_threads";
import { CofferError, type ErrorCode } from "../../shared/errors.ts";

export interface TaskMessage<Task> {
  readonly number: number;
  readonly task: Task;
}

/** Ends a worker when its tasks are done. (Ended from outside amid a native call, a thread takes the process with it.) */
export interface EndMessage {
  readonly end: true;
}

export interface AnswerMessage<Answer> {
  readonly number: number;
  readonly answer?: Answer;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** Answers tasks one after the other. */
export interface TaskHandler<Task, Answer> {
  handle(task: Task): Answer;
  /** Gives back what it holds open. */
  end(): void;
}

/** The main function of a worker thread: makes the handler from the setup, then answers whatever comes. */
export function serveTasks<Setup, Task, Answer>(create: (setup: Setup) => TaskHandler<Task, Answer>): void {
  const port = parentPort;
  if (port === null) throw new CofferError("internal", "this module is the entry of a worker thread");
  const handler = create(workerData as Setup);
  port.on("message", (message: TaskMessage<Task> | EndMessage) => {
    if ("end" in message) {
      handler.end();
      port.close();
      return;
    }
    port.postMessage(answerTask(handler, message.number, message.task));
  });
}

function answerTask<Task, Answer>(
  handler: TaskHandler<Task, Answer>,
  number: number,
  task: Task,
): AnswerMessage<Answer> {
  try {
    return { number, answer: handler.handle(task) };
  } catch (error) {
    const code = error instanceof CofferError ? error.code : "internal";
    return { number, error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}
