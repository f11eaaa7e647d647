/** Bodies of multipart/form-data as a test wants them, right or wrong. */
import { sha256 } from "./stored-files.ts";

export interface FormPart {
  /** The name of its field; without one, the part has no Content-Disposition. */
  readonly name?: string;
  /** An empty one is left out. */
  readonly fileName?: string;
  readonly content: string | Uint8Array;
  readonly headers?: readonly string[];
}

export const boundary = "----what-separates-the-parts";
export const formType: string = `multipart/form-data; boundary=${boundary}`;

/** A part that brings an object under its right name. */
export function objectPart(content: string | Uint8Array, type = "data"): FormPart {
  return { name: `${type}/${sha256(content)}`, content };
}

/** The whole body. */
export function encodeForm(parts: readonly FormPart[]): Buffer {
  return Buffer.concat([...parts.map(encodePart), Buffer.from(`--${boundary}--\r\n`)]);
}

function encodePart({ name, fileName = "file", content, headers = [] }: FormPart): Buffer {
  const file = fileName === "" ? "" : `; filename="${fileName}"`;
  const disposition = name === undefined ? [] : [`Content-Disposition: form-data; name="${name}"${file}`];
  const head = [`--${boundary}`, ...disposition, ...headers].join("\r\n");
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(content), Buffer.from("\r\n")]);
}
