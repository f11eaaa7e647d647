/** `coffer key list`. */
import { encodeJsonString } from "../../shared/format/go-json.ts";
import { formatLocal, parseTime } from "../../shared/format/time.ts";
import { type Command, defineCommand } from "../cli/command.ts";
import { reasonOf } from "../cli/exit-status.ts";
import { refuseOperands } from "../cli/new-key.ts";
import { jsonObject, type Output } from "../cli/output.ts";
import { withSession } from "../cli/session.ts";
import { formatTable } from "../cli/text/table.ts";
import { localZoneOffset } from "../platform/time-zone.ts";
import { type ListedKey, listKeys } from "../repository/keys.ts";

export const keyListCommand: Command = defineCommand({
  name: "key list",
  synopsis: "",
  description: "The key list command lists the keys of the repository, and marks the one that the password opens.",
  flags: {},
  hasJson: true,
  endsWithOutput: true,
  async run(context, { operands }) {
    refuseOperands("key list", operands);
    const { output } = context;
    await withSession(context, { lock: "shared", mayOmitLock: true }, async ({ repository, signal }) => {
      const keys = await listKeys(repository, {
        signal,
        onUnreadable: (id, error) => output.error(`LoadKey() failed: key ${id.slice(0, 8)}: ${reasonOf(error)}`),
      });
      if (output.isJson) output.json(`[${keys.map(keyJson).join(",")}]`);
      else printTable(output, keys);
    });
  },
});

function keyJson(key: ListedKey): string {
  return jsonObject([
    ["current", String(key.isCurrent)],
    ["id", encodeJsonString(key.id)],
    ["userName", encodeJsonString(key.username)],
    ["hostName", encodeJsonString(key.hostname)],
    ["created", encodeJsonString(createdText(key))],
  ]);
}

function printTable(output: Output, keys: readonly ListedKey[]): void {
  const rows = keys.map((key) =>
    [`${key.isCurrent ? "*" : " "}${key.id.slice(0, 8)}`, key.username, key.hostname, createdText(key)].map((text) => [
      text,
    ]),
  );
  output.result(formatTable({ columns: [" ID", "User", "Host", "Created"], rows }).join("\n"));
}

function createdText({ created }: ListedKey): string {
  return formatLocal(parseTime(created).unixNs, localZoneOffset);
}
