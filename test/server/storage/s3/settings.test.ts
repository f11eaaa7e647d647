import { expect } from "chai";
import { parseS3Settings } from "../../../../server/storage/s3/settings.ts";
import { hasErrorCode } from "../../../../shared/errors.ts";

const keys = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "hidden" };
const onAws = { ...keys, AWS_REGION: "eu-central-1" };

function placeOf(location: string, environment: Record<string, string> = keys): string {
  const { origin, bucketPath, prefix, region } = parseS3Settings(location, environment);
  return `${origin} ${bucketPath} ${prefix} ${region}`;
}

describe("locations on S3", () => {
  for (const [location, expected] of [
    ["s3:http://127.0.0.1:9000/backups", "http://127.0.0.1:9000 /backups  us-east-1"],
    ["s3:https://s3.example.org/backups/", "https://s3.example.org /backups  us-east-1"],
    ["s3:https://S3.example.org:443/backups/a/b", "https://s3.example.org /backups a/b/ us-east-1"],
    ["s3:https://s3.example.org/backups/a%20b/%C3%BC/", "https://s3.example.org /backups a b/ü/ us-east-1"],
    ["s3:https://example.org/backups/x?addressing=virtual", "https://backups.example.org  x/ us-east-1"],
    ["s3:https://example.org/backups/x?addressing=path", "https://example.org /backups x/ us-east-1"],
    ["s3:s3.eu-west-3.amazonaws.com/backups/x", "https://s3.eu-west-3.amazonaws.com /backups x/ eu-west-3"],
    ["s3:s3.amazonaws.com/backups", "https://s3.amazonaws.com /backups  us-east-1"],
  ] as const) {
    it(`${location} is understood`, () => {
      expect(placeOf(location)).to.equal(expected);
    });
  }

  it("a bare bucket is on AWS, in the region of the environment", () => {
    const expected = "https://s3.eu-central-1.amazonaws.com /backups x/y/ eu-central-1";
    expect(placeOf("s3:backups/x/y", onAws)).to.equal(expected);
    expect(placeOf("s3:backups/x/y", { ...keys, AWS_DEFAULT_REGION: "eu-central-1" })).to.equal(expected);
  });

  it("credentials are those of the AWS tools", () => {
    const { credentials } = parseS3Settings("s3:http://h/bucket", { ...keys, AWS_SESSION_TOKEN: "t" });
    expect(credentials).to.deep.equal({ accessKeyId: "id", secretAccessKey: "hidden", sessionToken: "t" });
  });

  for (const [location, environment, message] of [
    ["s3:http://h/bucket", {}, /AWS_ACCESS_KEY_ID expected/],
    ["s3:http://h/bucket", { AWS_ACCESS_KEY_ID: "id" }, /AWS_SECRET_ACCESS_KEY expected/],
    ["s3:http://h/bucket", { ...keys, AWS_REGION: "a b" }, /AWS_REGION expected a name/],
    ["s3:bucket", keys, /AWS_REGION expected the region/],
    ["s3:http://id:hidden@h/bucket", keys, /no credentials in its URL/],
    ["s3:http://h", keys, /got the bucket ""/],
    ["s3:http://h/a", keys, /got the bucket "a"/],
    ["s3:http://h/bucket#x", keys, /fragment/],
    ["s3:http://h/bucket/a//b", keys, /prefix expected plain names/],
    ["s3:http://h/bucket/a%2F..%2Fb", keys, /prefix expected plain names/],
    ["s3:http://h/bucket/%0A", keys, /prefix expected plain names/],
    ["s3:http://h/bucket/%FF", keys, /escapes of UTF-8/],
    [`s3:http://h/bucket/${"x".repeat(600)}`, keys, /at most 500 bytes/],
    ["s3:http://h/bucket?style=virtual", keys, /only the parameter "addressing"/],
    ["s3:http://h/bucket?addressing=dns", keys, /path or virtual/],
    ["s3:http://", keys, /storage expected/],
    ["s3:", onAws, /got the bucket ""/],
    ["swift:x", onAws, /storage expected s3:/],
  ] as const) {
    it(`${location} is refused: ${message}`, () => {
      try {
        parseS3Settings(location, environment);
      } catch (error) {
        if (!hasErrorCode(error, "usage")) throw error;
        expect(error.message).to.match(message).and.not.include("hidden");
        return;
      }
      expect.fail("was accepted");
    });
  }
});
