/** From the global options to a backend, and its reports of repeated operations on standard error. */
import { describeRetry } from "../backends/retry.ts";
import { type OpenedBackend, openBackend } from "../platform/open-backend.ts";
import type { CommandContext } from "./command.ts";
import { extendedOptionsOf } from "./global-options.ts";
import { programDescription } from "./program.ts";

/** Throws `usage` for a location or options that make no sense. Connects to nothing yet. */
export function openConfiguredBackend(context: CommandContext, location: string): Promise<OpenedBackend> {
  const { options, output } = context;
  return openBackend(location, {
    extendedOptions: extendedOptionsOf(options),
    cacert: options.cacert,
    insecureTls: options.insecureTls,
    userAgent: options.userAgent || programDescription.replace(" ", "/"),
    stuckRequestTimeoutMs: options.stuckRequestTimeoutMs,
    limitUploadKiBps: options.limitUploadKiBps,
    limitDownloadKiBps: options.limitDownloadKiBps,
    restUsername: options.restUsername,
    restPassword: options.restPassword,
    ...(options.tlsClientCert === "" ? {} : { tlsClientCert: options.tlsClientCert }),
    onRetry: (report) => output.error(describeRetry(report)),
  });
}
