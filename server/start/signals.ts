/** What signals do to a running server. */

export interface Signalled {
  /** SIGTERM and SIGINT: ends without cutting anybody off. */
  stop(): Promise<void>;
  /** The same once more: whoever asks twice does not want to wait for slow clients. */
  stopNow(): void;
  /** SIGHUP: has files read again and logs begun anew. */
  reload(): void;
}

export function handleSignals({ stop, stopNow, reload }: Signalled): void {
  let isStopping = false;
  const onStop = (): void => {
    if (isStopping) stopNow();
    else void stop();
    isStopping = true;
  };
  process.on("SIGTERM", onStop);
  process.on("SIGINT", onStop);
  process.on("SIGHUP", reload);
}
