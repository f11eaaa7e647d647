/** From the global options to a backend, and its reports of repeated operations on standard error. */
import { access, constants } from "node:fs/promises";
import { describeRetry } from "../backends/retry.ts";
import { type OpenedBackend, openBackend } from "../platform/open-backend.ts";
import type { CommandContext } from "./command.ts";
import { fatalError, reasonOf } from "./exit-status.ts";
import { extendedOptionsOf } from "./global-options.ts";
import { programDescription } from "./program.ts";

/** Throws `usage` for a location or options that make no sense. Connects to nothing yet. */
export async function openConfiguredBackend(context: CommandContext, location: string): Promise<OpenedBackend> {
  const { options, output } = context;
  await checkCertificateFiles(options.cacert);
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
    environment: context.environment,
    onRetry: (report) => output.error(describeRetry(report)),
  });
}

/** Also for backends that have no use for them: a typing error is found at once. */
async function checkCertificateFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await access(path, constants.R_OK);
    } catch (error) {
      throw fatalError(`unable to read root certificate: ${reasonOf(error).replace(/^access /, "open ")}`, {
        cause: error,
      });
    }
  }
}
