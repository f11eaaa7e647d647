/** `--read-data-subset`: what it may say, and which packs that chooses. docs/cli.md, check. */
import { CofferError } from "../../shared/errors.ts";
import { type CheckedPack, firstByteOf } from "./inventory.ts";
import type { ReadDataSelection } from "./options.ts";

const maxGroups = 256;
const groupForm = /^(\d+)\/(\d+)$/;
const percentForm = /^(\d+(?:\.\d*)?|\.\d+)%$/;
const sizeForm = /^(\d+)([bkmgt]?)$/i;
const unitPowers: Readonly<Record<string, number>> = { "": 0, b: 0, k: 1, m: 2, g: 3, t: 4 };

/** The meaning of the flag's text: `n/t`, `x%`, or a size such as `500M`. Throws `usage`. */
export function parseReadDataSubset(text: string): ReadDataSelection {
  if (text.includes("/")) return parseGroup(text);
  if (text.endsWith("%")) return parsePercentage(text);
  const [, digits = "", unit = ""] = sizeForm.exec(text) ?? [];
  const sizeBytes = Number(digits) * 1024 ** (unitPowers[unit.toLowerCase()] ?? 0);
  if (digits === "" || sizeBytes <= 0 || !Number.isSafeInteger(sizeBytes)) throw invalid();
  return { kind: "size", sizeBytes };
}

function parseGroup(text: string): ReadDataSelection {
  const [, first, second] = groupForm.exec(text) ?? [];
  if (first === undefined || second === undefined) throw invalid();
  const group = Number(first);
  const groups = Number(second);
  if (group < 1 || groups < 1 || group > groups) {
    throw usage("=n/t values must be positive integers, and n <= t, e.g. --read-data-subset=1/2");
  }
  if (groups > maxGroups) throw usage(`=n/t t must be at most ${maxGroups}`);
  return { kind: "group", group, groups };
}

function parsePercentage(text: string): ReadDataSelection {
  const [, digits] = percentForm.exec(text) ?? [];
  if (digits === undefined) throw invalid();
  const percent = Number(digits);
  if (!(percent > 0 && percent <= 100)) throw usage("=x% x must be above 0.0% and at most 100.0%");
  return { kind: "percentage", percent };
}

function invalid(): CofferError {
  return usage(" has invalid value, please see documentation");
}

function usage(rest: string): CofferError {
  return new CofferError("usage", `check flag --read-data-subset${rest}`);
}

export interface ChosenPacks {
  readonly packs: readonly CheckedPack[];
  /** How the choice is told; undefined when nothing is read. */
  readonly phase: string | undefined;
}

/**
 * Of the packs that could be read, those that are. `isFiltered`: only packs of some snapshots could be. `random` gives
 * numbers from 0 to below 1.
 */
export function choosePacks(
  packs: readonly CheckedPack[],
  selection: ReadDataSelection,
  isFiltered: boolean,
  random: () => number,
): ChosenPacks {
  switch (selection.kind) {
    case "none":
      return { packs: [], phase: undefined };
    case "all":
      return { packs, phase: isFiltered ? "read all filtered data" : "read all data" };
    case "group":
      return chooseGroup(packs, selection.group, selection.groups, isFiltered);
    case "percentage":
      return {
        packs: chooseRandom(packs, selection.percent, random),
        phase: `read ${selection.percent.toFixed(1)}% of ${isFiltered ? "filtered " : ""}packfiles`,
      };
    case "size":
      return chooseSize(packs, selection.sizeBytes, isFiltered, random);
  }
}

function chooseGroup(packs: readonly CheckedPack[], group: number, groups: number, isFiltered: boolean): ChosenPacks {
  const chosen = packs.filter(({ id }) => firstByteOf(id) % groups === group - 1);
  const kind = isFiltered ? "filtered data packs" : "data packs";
  const phase = `read group #${group} of ${chosen.length} ${kind} (out of total ${packs.length} packs in ${groups} groups)`;
  return { packs: chosen, phase };
}

function chooseSize(
  packs: readonly CheckedPack[],
  sizeBytes: number,
  isFiltered: boolean,
  random: () => number,
): ChosenPacks {
  const totalBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
  const percent = totalBytes === 0 ? 100 : Math.min(100, (sizeBytes / totalBytes) * 100);
  const kind = isFiltered ? "filtered data packs" : "data packs";
  return {
    packs: chooseRandom(packs, percent, random),
    phase: `read ${sizeBytes} bytes (${percent.toFixed(1)}%) of ${kind}`,
  };
}

/** At least one, when there is any. */
function chooseRandom(packs: readonly CheckedPack[], percent: number, random: () => number): CheckedPack[] {
  const wanted = Math.min(packs.length, Math.max(1, Math.floor((packs.length * percent) / 100)));
  const shuffled = [...packs];
  for (let index = 0; index < wanted; index++) {
    const other = index + Math.floor(random() * (shuffled.length - index));
    const [mine, theirs] = [shuffled[index], shuffled[other]];
    if (mine === undefined || theirs === undefined) continue;
    shuffled[index] = theirs;
    shuffled[other] = mine;
  }
  return shuffled.slice(0, wanted);
}
