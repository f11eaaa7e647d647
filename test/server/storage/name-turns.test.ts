import { LocalNameTurns } from "../../../server/storage/name-turns.ts";
import { describeNameTurns } from "../../conformance/name-turns.ts";

describeNameTurns("LocalNameTurns", (views) => {
  const turns = new LocalNameTurns();
  return Array.from({ length: views }, () => turns);
});
