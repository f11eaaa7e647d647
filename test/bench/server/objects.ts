/** Objects for a load: as many as wanted, all different, in the memory of one. */
import { createHash } from "node:crypto";
import { RandomBytes } from "../../support/sample-data.ts";

export interface ObjectSet {
  /** Sets with different names have no object in common. */
  readonly name: string;
  readonly count: number;
  readonly sizeBytes: number;
}

export interface LoadObject {
  readonly id: string;
  readonly sizeBytes: number;
  /** Its bytes in pieces, of which only the first is its own. */
  readonly pieces: readonly Buffer[];
}

const ownBytes = 64;
const firstPieceBytes = 65_536;
const templates = new Map<number, Buffer>();
const made = new Map<string, readonly LoadObject[]>();

/** Makes a set, or gives the one made before. */
export function objectsOf({ name, count, sizeBytes }: ObjectSet): readonly LoadObject[] {
  const key = `${name}/${count}/${sizeBytes}`;
  let objects = made.get(key);
  if (objects === undefined) {
    const template = templateOf(sizeBytes);
    objects = Array.from({ length: count }, (_, i) => makeObject(template, `${name}-${i}`));
    made.set(key, objects);
  }
  return objects;
}

function templateOf(sizeBytes: number): Buffer {
  let template = templates.get(sizeBytes);
  if (template === undefined) {
    template = new RandomBytes(`template ${sizeBytes}`).next(sizeBytes);
    templates.set(sizeBytes, template);
  }
  return template;
}

function makeObject(template: Buffer, own: string): LoadObject {
  const first = Buffer.from(template.subarray(0, firstPieceBytes));
  first.write(own.padEnd(ownBytes), 0, ownBytes, "latin1");
  const rest = template.subarray(firstPieceBytes);
  const pieces = rest.length === 0 ? [first] : [first, rest];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return { id: hash.digest("hex"), sizeBytes: template.length, pieces };
}
