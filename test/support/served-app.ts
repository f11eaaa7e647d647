/** The application on a real port in this process, with a data folder of its own. */
import type { AddressInfo } from "node:net";
import { type AppDependencies, createApp } from "../../server/app.ts";
import { noAuthentication } from "../../server/auth/authenticator.ts";
import { createHttpServer } from "../../server/listening/http-server.ts";
import { type ListenAddress, listen } from "../../server/listening/listen.ts";
import type { TlsSettings } from "../../server/listening/tls-settings.ts";
import { fixedPolicy, policyOfFlags } from "../../server/policy/flags-policy.ts";
import type { QuotaLedger } from "../../server/quota/ledger.ts";
import { assembleStorage } from "../../server/storage/assemble.ts";
import { DiskRepositories } from "../../server/storage/disk/disk-storage.ts";
import { HttpTestClient } from "./http.ts";
import { makeTemporaryFolder } from "./temporary-folder.ts";

export interface ServedApp {
  /** For plain TCP. */
  readonly client: HttpTestClient;
  readonly port: number;
  readonly dataPath: string;
  /** What was logged for the operator. */
  readonly logged: readonly string[];
  stop(): Promise<void>;
}

export interface ServedAppSettings extends Partial<AppDependencies> {
  readonly appendOnly?: boolean;
  readonly privateRepositories?: boolean;
  readonly ledger?: QuotaLedger;
  /** Instead of a free port on the loopback interface. */
  readonly listen?: ListenAddress;
  readonly tls?: TlsSettings;
}

export async function serveApp(settings: ServedAppSettings = {}): Promise<ServedApp> {
  const { appendOnly = false, privateRepositories = false, ledger, listen: address, tls, ...dependencies } = settings;
  const folder = makeTemporaryFolder("app");
  const logged: string[] = [];
  const app = createApp({
    repositories: assembleStorage(new DiskRepositories(folder.path), { ledger }),
    authenticator: noAuthentication,
    policy: fixedPolicy(policyOfFlags({ appendOnly, privateRepositories })),
    privateRepositories,
    log: (line) => logged.push(line),
    ...dependencies,
  });
  const { server, drain } = createHttpServer(app, tls);
  await listen(server, address ?? { kind: "tcp", host: "127.0.0.1", port: 0 });
  const { port } = server.address() as AddressInfo;
  const client = new HttpTestClient({ port });
  return {
    client,
    port,
    dataPath: folder.path,
    logged,
    stop: async () => {
      client.close();
      await drain();
      folder.remove();
    },
  };
}
