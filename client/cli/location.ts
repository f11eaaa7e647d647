/** Where a repository is, from flags and environment. Source: docs/cli.md, global flags. */
import { readFile } from "node:fs/promises";
import { parseLocation } from "../backends/location.ts";
import { fatalError, reasonOf, wrapError } from "./exit-status.ts";
import type { LocationOptions } from "./global-options.ts";
import { decodeText } from "./text/decode.ts";

/** The names of the flags and of the repository, for messages: "-r", "--repository-file". */
export interface LocationNames {
  readonly flag: string;
  readonly fileFlag: string;
  /** "repository" or "source repository". */
  readonly subject: string;
  /** How the flag is called where one is asked for it; differs from `flag` in its length only. */
  readonly request: string;
}

const mainNames: LocationNames = {
  flag: "-r",
  fileFlag: "--repository-file",
  subject: "repository",
  request: "-r or --repository-file",
};

/** Kinds of backends by name: alone they are no location, and hardly ever meant as a folder of that name. */
const bareSchemes = ["azure", "b2", "gs", "local", "rclone", "rest", "s3", "sftp", "swift"];

/** The location as text, known to be well formed. Throws `usage`. */
export async function resolveLocation(options: LocationOptions, names: LocationNames = mainNames): Promise<string> {
  const { repository, repositoryFile } = options;
  if (repository !== "" && repositoryFile !== "") {
    throw fatalError(`Options ${names.flag} and ${names.fileFlag} are mutually exclusive, please specify only one`);
  }
  if (repository === "" && repositoryFile === "") {
    throw fatalError(`Please specify ${names.subject} location (${names.request})`);
  }
  const location = repository !== "" ? repository : await readLocationFile(repositoryFile);
  if (bareSchemes.includes(location)) {
    throw fatalError(`parsing repository location failed: ${location}: invalid format`);
  }
  try {
    parseLocation(location);
  } catch (error) {
    throw wrapError("parsing repository location failed: ", error);
  }
  return location;
}

async function readLocationFile(path: string): Promise<string> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw fatalError(`${path} does not exist`, { cause: error });
    }
    throw fatalError(reasonOf(error), { cause: error });
  }
  const location = decodeText(content).trim();
  if (location === "") throw fatalError(`${path} expected the location of a repository, it is empty`);
  return location;
}
