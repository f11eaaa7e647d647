import { describeStorage } from "../../../conformance/storage.ts";
import type { FakeS3Settings } from "../../../support/fake-s3.ts";
import { openScene, type S3Scene } from "../../../support/s3-storage.ts";

const stores: readonly (readonly [string, FakeS3Settings, string?])[] = [
  ["S3Repositories", {}],
  ["S3Repositories without conditional put", { conditionalPut: "refused" }],
  ["S3Repositories where conditions are ignored, in pages of 7", { conditionalPut: "ignored", pageObjects: 7 }],
  ["S3Repositories in a locked bucket, without a prefix", { objectLock: "enforced" }, ""],
  ["S3Repositories where ranges are ignored", { ignoresRanges: true }],
];

for (const [name, settings, prefix] of stores) {
  let scene: S3Scene;
  describeStorage(name, {
    open: async () => {
      scene = await openScene(settings, {}, prefix);
      return scene.opened.repositories;
    },
    close: () => scene.close(),
  });
}
