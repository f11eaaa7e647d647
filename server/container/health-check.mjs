/** Asks the server of this container whether it lives; exit code 0 or 1. HEALTH_URL where it does not listen as the image's default says. */
import { get } from "node:http";
import { get as getTls } from "node:https";

const usesTls = /(?:^|\s)--tls(?:=true)?(?:\s|$)/.test(process.env["OPTIONS"] ?? "");
const url = process.env["HEALTH_URL"] ?? `${usesTls ? "https" : "http"}://127.0.0.1:8000/-/health/live`;

function fail(reason) {
  process.stdout.write(`${url}: ${reason}\n`);
  process.exit(1);
}

// The certificate is for the name that clients know, and nobody else can answer on the container's loopback interface.
const request = (url.startsWith("https:") ? getTls : get)(url, { rejectUnauthorized: false, timeout: 4000 });
request.on("response", (response) => {
  if (response.statusCode !== 200) fail(`expected status 200, got ${response.statusCode}`);
  process.exit(0);
});
request.on("timeout", () => fail("no answer"));
request.on("error", (error) => fail(error.message));
