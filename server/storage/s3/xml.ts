/** Reading the XML of a store's answers as it arrives, with a limit on everything. */
import sax from "sax";
import { CofferError } from "../../../shared/errors.ts";

const longestTextLength = 8_192;
const greatestDepth = 12;

/** Takes an element when it ends: the names that lead to it, joined by slashes, and the text that it holds itself. */
export type ElementHandler = (path: string, text: string) => void;

/** Reads a document to its end. Throws `malformed` when it is none, and `limit-exceeded` when it is larger than allowed. */
export async function readXml(
  body: AsyncIterable<Uint8Array>,
  largestBytes: number,
  onElement: ElementHandler,
): Promise<void> {
  const reader = new XmlReader(onElement);
  const decoder = new TextDecoder("utf-8");
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > largestBytes) throw tooLarge(`${largestBytes} bytes`);
    reader.write(decoder.decode(chunk, { stream: true }));
  }
  reader.write(decoder.decode());
  reader.close();
}

class XmlReader {
  readonly #parser = sax.parser(true, { trim: false, normalize: false, position: false });
  /** The text of each open element. */
  readonly #texts: string[] = [];
  readonly #names: string[] = [];
  #isComplete = false;
  #failure: unknown;

  constructor(onElement: ElementHandler) {
    const parser = this.#parser;
    const addText = (text: string): void => this.#addText(text);
    parser.onopentag = ({ name }) => this.#open(name);
    parser.ontext = addText;
    parser.oncdata = addText;
    parser.onclosetag = () => {
      const path = this.#names.join("/");
      this.#names.pop();
      onElement(path, this.#texts.pop() ?? "");
      this.#isComplete ||= this.#names.length === 0;
    };
    parser.ondoctype = () => this.#fail(new CofferError("malformed", "XML expected no document type, got one"));
    parser.onerror = (cause) => this.#fail(malformed(cause));
  }

  write(text: string): void {
    this.#parser.write(text);
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#parser.close();
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#isComplete) throw malformed("the document ended before its root element");
  }

  #open(name: string): void {
    if (this.#names.length >= greatestDepth) this.#fail(tooLarge(`${greatestDepth} elements inside each other`));
    this.#names.push(name);
    this.#texts.push("");
  }

  #addText(text: string): void {
    const last = this.#texts.length - 1;
    if (last < 0) return;
    const sum = (this.#texts[last] ?? "") + text;
    if (sum.length <= longestTextLength) this.#texts[last] = sum;
    else this.#fail(tooLarge(`a text of ${longestTextLength} characters`));
  }

  /** An error that is thrown inside the parser would leave it in a state that nobody knows. */
  #fail(failure: CofferError): void {
    this.#failure ??= failure;
  }
}

function malformed(cause: unknown): CofferError {
  const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
  return new CofferError("malformed", `the storage's answer expected XML, got something else: ${reason}`, { cause });
}

function tooLarge(limit: string): CofferError {
  return new CofferError("limit-exceeded", `the storage's answer expected at most ${limit}, got more`);
}
