/** Servers as processes that end with the test that has started them, and the folder that they share. */
import { join } from "node:path";
import { type ServerSettings, startServer, type TestServer } from "./server.ts";
import { makeTemporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

export interface ServersOfTests {
  /** Another one for each test, whose "data" the servers serve. */
  readonly folder: Pick<TemporaryFolder, "path">;
  readonly start: (settings?: ServerSettings) => Promise<TestServer>;
}

/** To be called in a suite. */
export function serversOfTests(purpose: string): ServersOfTests {
  let current: TemporaryFolder;
  const running: TestServer[] = [];

  beforeEach(() => {
    current = makeTemporaryFolder(purpose);
  });

  afterEach(async () => {
    for (const server of running.splice(0)) await server.kill();
    current.remove();
  });

  return {
    folder: {
      get path() {
        return current.path;
      },
    },
    start: async (settings = {}) => {
      const server = await startServer({ path: join(current.path, "data"), ...settings });
      running.push(server);
      return server;
    },
  };
}
