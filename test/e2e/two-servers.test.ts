import { describeTwoServers } from "../conformance/two-servers.ts";
import { FakeS3 } from "../support/fake-s3.ts";

describeTwoServers("a store in this process", async () => {
  const store = await FakeS3.start();
  return { location: `${store.location}/shared`, environment: store.environment, close: () => store.stop() };
});
