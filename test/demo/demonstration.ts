/** The steps of the demonstration. Every step is a run of the real command line, checked, timed and counted. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compareFolders } from "../support/compare-folders.ts";
import { type CountedServer, startCountedServer } from "../support/counted-server.ts";
import { type MeasuredRun, runMeasured } from "../support/measured-process.ts";
import { changeForeignFolder, changeSampleFolder, demoSizes, makeSampleFolder } from "../support/sample-folder.ts";
import { type DemonstrationReport, formatMegabytes, print, printStep, type Step } from "./report.ts";

const cofferCommand = [process.execPath, fileURLToPath(new URL("../../dist/client/main.js", import.meta.url))];

export class DemonstrationFailed extends Error {}

interface BackupSummary {
  readonly snapshot_id: string;
  readonly total_files_processed: number;
  readonly total_bytes_processed: number;
  readonly data_added: number;
  readonly data_added_packed: number;
}

interface ListedNode {
  readonly path: string;
  readonly type: string;
  readonly size?: number;
  readonly mtime: string;
}

type Changes = ReturnType<typeof changeSampleFolder>;

export class Demonstration {
  readonly #workFolder: string;
  readonly #foreignFolder: string | undefined;
  readonly #source: string;
  readonly #steps: Step[] = [];
  #server: CountedServer | undefined;
  #environment: NodeJS.ProcessEnv = {};

  /** `foreignFolder`: somebody's own folder. It is copied first, because the demonstration changes files. */
  constructor(workFolder: string, foreignFolder: string | undefined) {
    this.#workFolder = workFolder;
    this.#foreignFolder = foreignFolder;
    this.#source = join(workFolder, "source");
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  async run(): Promise<DemonstrationReport> {
    this.#makeSource();
    await this.#startServer();
    await this.#coffer("init", ["init"], () => "");
    const first = await this.#backup("backup");
    const changes = this.#changeSource();
    const second = await this.#backup("backup again, after changes");
    await this.#coffer("snapshots", ["snapshots", "--json"], (run) => {
      const count = (JSON.parse(run.stdout) as unknown[]).length;
      if (count !== 2) throw new DemonstrationFailed(`2 snapshots expected, ${count} listed`);
      return `${count} snapshots`;
    });
    await this.#compareSnapshots(first.summary, second.summary, changes);
    const restore = await this.#restore();
    await this.#coffer("check --read-data", ["check", "--read-data"], () => "no errors were found");
    const resticVersion = await this.#letResticAgree();
    return {
      steps: this.#steps,
      uploadBytesPerSecond: first.summary.total_bytes_processed / first.run.wallSeconds,
      downloadBytesPerSecond: second.summary.total_bytes_processed / restore.wallSeconds,
      deduplicatedShare: 1 - second.summary.data_added / second.summary.total_bytes_processed,
      compressionRatio:
        (first.summary.data_added + second.summary.data_added) /
        (first.summary.data_added_packed + second.summary.data_added_packed),
      resticVersion,
    };
  }

  #makeSource(): void {
    if (this.#foreignFolder === undefined) {
      print("Making a folder with text, binary, large, empty, linked and oddly named files ...");
      mkdirSync(this.#source);
      makeSampleFolder(this.#source, demoSizes);
      return;
    }
    if (!existsSync(this.#foreignFolder) || !statSync(this.#foreignFolder).isDirectory()) {
      throw new DemonstrationFailed(`${this.#foreignFolder} is not a folder: name one that exists`);
    }
    print(`Copying ${this.#foreignFolder}, so that the original stays as it is ...`);
    // cp, because Node's copy loses hard links, extended attributes and nanoseconds.
    execFileSync("cp", ["-a", "--", `${this.#foreignFolder}/.`, this.#source], { stdio: "inherit" });
  }

  #changeSource(): Changes {
    return this.#foreignFolder === undefined ? changeSampleFolder(this.#source) : changeForeignFolder(this.#source);
  }

  async #startServer(): Promise<void> {
    const dataFolder = join(this.#workFolder, "server");
    mkdirSync(dataFolder);
    const password = randomBytes(12).toString("hex");
    const hash = createHash("sha1").update(password).digest("base64");
    writeFileSync(join(dataFolder, ".htpasswd"), `demo:{SHA}${hash}\n`, { mode: 0o600 });
    this.#server = await startCountedServer(["--path", dataFolder, "--private-repos"]);
    print(`Server with authentication on http://${this.#server.address}/, data in a temporary folder.\n`);
    this.#environment = {
      ...process.env,
      RESTIC_REPOSITORY: `rest:http://demo:${password}@${this.#server.address}/demo/`,
      RESTIC_PASSWORD: randomBytes(12).toString("hex"),
      RESTIC_CACHE_DIR: join(this.#workFolder, "cache"),
      RESTIC_PROGRESS_FPS: "",
    };
  }

  async #backup(title: string): Promise<{ run: MeasuredRun; summary: BackupSummary }> {
    let summary: BackupSummary | undefined;
    const run = await this.#coffer(title, ["backup", "--json", "source"], (finished) => {
      const lines = finished.stdout.trim().split("\n");
      const found = JSON.parse(lines.at(-1) ?? "{}") as BackupSummary;
      summary = found;
      return `${found.total_files_processed} files, ${formatMegabytes(found.total_bytes_processed)}; added ${formatMegabytes(found.data_added)}, stored as ${formatMegabytes(found.data_added_packed)}`;
    });
    if (summary === undefined) throw new DemonstrationFailed("backup printed no summary");
    return { run, summary };
  }

  async #compareSnapshots(first: BackupSummary, second: BackupSummary, expected: Changes): Promise<void> {
    const before = await this.#list("ls (first snapshot)", first.snapshot_id);
    const after = await this.#list("ls (second snapshot)", second.snapshot_id);
    const found = {
      added: [...after.keys()].filter((path) => !before.has(path)).sort(),
      removed: [...before.keys()].filter((path) => !after.has(path)).sort(),
      modified: [...after.values()]
        .filter((node) => isModified(node, before.get(node.path)))
        .map((node) => node.path)
        .sort(),
    };
    for (const kind of ["added", "removed", "modified"] as const) {
      const wanted = expected[kind].map((path) => `/source/${path}`).sort();
      if (wanted.join("\n") !== found[kind].join("\n")) {
        throw new DemonstrationFailed(
          `${kind} should be ${wanted.join(", ")}, and the snapshots say ${found[kind].join(", ")}`,
        );
      }
      for (const path of found[kind]) print(`      ${{ added: "+", removed: "-", modified: "M" }[kind]} ${path}`);
    }
  }

  async #list(title: string, snapshot: string): Promise<Map<string, ListedNode>> {
    let nodes = new Map<string, ListedNode>();
    await this.#coffer(title, ["ls", "--json", snapshot], (run) => {
      const lines = run.stdout.trim().split("\n").slice(1);
      nodes = new Map(lines.map((line) => JSON.parse(line) as ListedNode).map((node) => [node.path, node]));
      return `${nodes.size} entries`;
    });
    return nodes;
  }

  async #restore(): Promise<MeasuredRun> {
    const target = join(this.#workFolder, "restored");
    const run = await this.#coffer("restore", ["restore", "latest", "--target", target], () => "");
    this.#compare("compare with the source", join(target, "source"));
    return run;
  }

  #compare(title: string, restored: string): void {
    const start = performance.now();
    const comparison = compareFolders(this.#source, restored);
    if (comparison.differences.length > 0) {
      throw new DemonstrationFailed(`restored and source differ:\n${comparison.differences.slice(0, 20).join("\n")}`);
    }
    this.#finishStep({
      title,
      seconds: (performance.now() - start) / 1000,
      connections: 0,
      detail: `${comparison.entries} entries, ${formatMegabytes(comparison.bytes)}: bytes, modes, owners, times, links are equal`,
    });
  }

  async #letResticAgree(): Promise<string | undefined> {
    const version = await runMeasured(["sh", "-c", "command -v restic >/dev/null && restic version"]);
    if (version.exitCode !== 0) return undefined;
    const target = join(this.#workFolder, "restored by restic");
    await this.#runStep("restic check --read-data", ["restic", "check", "--read-data"], () => "no errors were found");
    await this.#runStep("restic restore", ["restic", "restore", "latest", "--target", target], () => "");
    this.#compare("compare with the source", join(target, "source"));
    return version.stdout.split(" ").slice(0, 2).join(" ");
  }

  #coffer(title: string, parameters: readonly string[], describe: (run: MeasuredRun) => string): Promise<MeasuredRun> {
    return this.#runStep(title, [...cofferCommand, ...parameters], describe);
  }

  async #runStep(
    title: string,
    command: readonly string[],
    describe: (run: MeasuredRun) => string,
  ): Promise<MeasuredRun> {
    const before = await this.#countConnections();
    const run = await runMeasured(command, { env: this.#environment, cwd: this.#workFolder });
    if (run.exitCode !== 0) {
      throw new DemonstrationFailed(`${title} ended with exit code ${run.exitCode}\n${run.stdout}${run.stderr}`);
    }
    const connections = (await this.#countConnections()) - before;
    this.#finishStep({ title, seconds: run.wallSeconds, connections, detail: describe(run) });
    return run;
  }

  async #countConnections(): Promise<number> {
    return (await this.#server?.acceptedConnections()) ?? 0;
  }

  #finishStep(step: Step): void {
    this.#steps.push(step);
    printStep(step);
  }
}

function isModified(node: ListedNode, old: ListedNode | undefined): boolean {
  return node.type === "file" && old !== undefined && (node.size !== old.size || node.mtime !== old.mtime);
}
