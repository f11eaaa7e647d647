/** The examples of "Authenticating Requests: Using the Authorization Header" in the Amazon S3 API reference. */
import { expect } from "chai";
import {
  canonicalQuery,
  emptyHash,
  escapePath,
  signRequest,
  type UnsignedRequest,
} from "../../../../server/storage/s3/signature.ts";

const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const context = { credentials, region: "us-east-1", timeMs: Date.UTC(2013, 4, 24) };
const host = "examplebucket.s3.amazonaws.com";
const getObject: UnsignedRequest = {
  method: "GET",
  host,
  path: "/test.txt",
  headers: { range: "bytes=0-9" },
  bodyHash: emptyHash,
};

const examples: readonly (readonly [string, UnsignedRequest, string, string])[] = [
  [
    "GET Object",
    getObject,
    "host;range;x-amz-content-sha256;x-amz-date",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "PUT Object",
    {
      method: "PUT",
      host,
      path: escapePath("/test$file.text"),
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      bodyHash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    },
    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "GET Bucket Lifecycle",
    { method: "GET", host, path: "/", query: { lifecycle: "" }, headers: {}, bodyHash: emptyHash },
    "host;x-amz-content-sha256;x-amz-date",
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  [
    "GET Bucket (List Objects)",
    { method: "GET", host, path: "/", query: { prefix: "J", "max-keys": "2" }, headers: {}, bodyHash: emptyHash },
    "host;x-amz-content-sha256;x-amz-date",
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
];

describe("signatures of S3", () => {
  for (const [name, request, signedHeaders, signature] of examples) {
    it(`are those of AWS's example: ${name}`, () => {
      const { authorization } = signRequest(request, context);
      expect(authorization).to.equal(
        `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=${signedHeaders}, Signature=${signature}`,
      );
    });
  }

  it("cover a session token, and never show the secret", () => {
    const headers = signRequest(getObject, { ...context, credentials: { ...credentials, sessionToken: "token" } });
    expect(headers["x-amz-security-token"]).to.equal("token");
    expect(headers["authorization"]).to.include("x-amz-date;x-amz-security-token, Signature=");
    expect(JSON.stringify(headers)).not.to.include(credentials.secretAccessKey);
  });

  it("escape what is not unreserved, as UTF-8 with capital digits", () => {
    expect(escapePath("/b/a b+c%d/ü(')*!~-_.")).to.equal("/b/a%20b%2Bc%25d/%C3%BC%28%27%29%2A%21~-_.");
    expect(canonicalQuery({ b: "x/y", a: "1 2", "a-b": "=" })).to.equal("a=1%202&a-b=%3D&b=x%2Fy");
  });
});
