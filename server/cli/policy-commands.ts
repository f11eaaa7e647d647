/** Looking at a policy without a server: `policy check` and `policy explain`. */
import { CofferError, hasErrorCode } from "../../shared/errors.ts";
import { isAddress } from "../network/ip-address.ts";
import { explain } from "../policy/explain.ts";
import { policyOfFlags } from "../policy/flags-policy.ts";
import { readPolicy } from "../policy/policy-file.ts";
import { type Command, readArguments } from "./command.ts";

/** Not an error, but not a yes either. */
const refusedExitCode = 2;

export const policyCheck: Command = {
  name: "policy check",
  usage: "FILE",
  help: "read a policy file and name every mistake with its line",
  run: checkPolicy,
};

export const policyExplain: Command = {
  name: "policy explain",
  usage: "USER PATH METHOD [--policy FILE | --append-only --private-repos] [--address ADDRESS]",
  help: "say what the server would answer, and which rule decides (exit code 0: allowed, 2: refused)",
  run: explainPolicy,
};

async function checkPolicy(parameters: readonly string[]): Promise<number> {
  const [path = ""] = readArguments(policyCheck, parameters, 1, {}).positionals;
  try {
    const { rules, quotas } = await readPolicy(path);
    process.stdout.write(`${path}: no mistakes, ${rules.length} rules, ${quotas.length} quotas\n`);
    return 0;
  } catch (error) {
    if (!hasErrorCode(error, "usage")) throw error;
    // Editors find their way by "FILE:LINE:" at the beginning of a line.
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

async function explainPolicy(parameters: readonly string[]): Promise<number> {
  const { positionals, strings, booleans } = readArguments(policyExplain, parameters, 3, {
    policy: { type: "string" },
    address: { type: "string" },
    "append-only": { type: "boolean" },
    "private-repos": { type: "boolean" },
  });
  const [user = "", path = "", method = ""] = positionals;
  const { policy: policyFile, address } = strings;
  const [appendOnly, privateRepositories] = [booleans["append-only"] ?? false, booleans["private-repos"] ?? false];
  if (policyFile !== undefined && (appendOnly || privateRepositories)) {
    throw new CofferError("usage", "expected --policy or the flags that it replaces, got both");
  }
  if (address !== undefined && !isAddress(address)) {
    throw new CofferError("usage", `--address expected an IP address, got ${JSON.stringify(address)}`);
  }
  const policy =
    policyFile === undefined ? policyOfFlags({ appendOnly, privateRepositories }) : await readPolicy(policyFile);
  const { lines, isAllowed } = explain(policy, { user, address, path, method: method.toUpperCase() });
  process.stdout.write(`${lines.join("\n")}\n`);
  return isAllowed ? 0 : refusedExitCode;
}
