/** Sockets that systemd has opened before it started the server: sd_listen_fds(3). */
import { CofferError } from "../../shared/errors.ts";

const firstDescriptor = 3;

/**
 * The descriptor of the socket that was passed to this process, or undefined without one. Takes the variables away, so that no child
 * process believes them. Throws `usage` when there is more than one socket.
 */
export function takeActivatedSocket(environment: NodeJS.ProcessEnv, processId: number): number | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = environment;
  delete environment["LISTEN_PID"];
  delete environment["LISTEN_FDS"];
  delete environment["LISTEN_FDNAMES"];
  if (pid !== String(processId) || count === undefined || !/^\d+$/.test(count) || Number(count) === 0) return undefined;
  if (Number(count) > 1) {
    const advice = "give the socket unit a single ListenStream=";
    throw new CofferError(
      "usage",
      `unable to listen: got ${Number(count)} listeners from systemd, expected one: ${advice}`,
    );
  }
  return firstDescriptor;
}
