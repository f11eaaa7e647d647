/**
 * Compiles the kernels (`npm run kernels`) into TypeScript modules that carry the WebAssembly as base64, so that Node and
 * browsers load them alike and without reading a file. The same sources give the same bytes; `--check` writes nothing
 * and fails when the committed modules are not what the sources give.
 */
// biome-ignore-all lint/correctness/noNodejsModules: a tool of the build, part of no program.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** One WebAssembly module: its entry source, the TypeScript file that carries it, and the constant's name there. */
export interface KernelBuild {
  readonly source: string;
  readonly target: string;
  readonly constantName: string;
}

export const kernelBuilds: readonly KernelBuild[] = [
  { source: "source/kernels.ts", target: "kernels-module.ts", constantName: "kernelsModuleBase64" },
  { source: "source/scrypt.ts", target: "scrypt-module.ts", constantName: "scryptModuleBase64" },
];

// The memory is made by the caller, of the size that it needs: hence imported, and declared with its smallest size.
// Statics lie behind the kernels' own fixed places, of which the last ends at 5 KiB.
const compilerOptions = [
  "-O3",
  "--runtime=stub",
  "--noAssert",
  "--importMemory",
  "--noExportMemory",
  "--initialMemory=1",
  "--memoryBase=16384",
  "--enable=simd,bulk-memory",
];

/**
 * The WebAssembly of one module. `edit` may change the text of the sources, for tests of other constants. Throws with the
 * compiler's messages when they do not compile.
 */
export async function compileKernel(
  build: Pick<KernelBuild, "source">,
  edit: (text: string) => string = (text) => text,
): Promise<Uint8Array> {
  let module: Uint8Array | undefined;
  const { error, stderr } = await asc.main([build.source, "--outFile=kernel.wasm", ...compilerOptions], {
    readFile: (name, base) => {
      const text = readIfPresent(base === undefined || base === "." ? name : `${base}/${name}`);
      return text === null ? null : edit(text);
    },
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") module = contents;
    },
    listFiles: () => [],
  });
  // Warnings fail the build too: kernels are small enough to have none.
  if (error !== null || module === undefined || stderr.toString() !== "") {
    throw new Error(`${build.source} did not compile:\n${stderr.toString()}`, { cause: error });
  }
  return module;
}

function readIfPresent(path: string): string | null {
  try {
    return readFileSync(`${folder}${path}`, "utf8");
  } catch {
    // The compiler asks for names that a module may have until it finds one.
    return null;
  }
}

/** The text of the TypeScript file that carries a module. */
export async function renderKernelModule(build: KernelBuild): Promise<string> {
  const base64 = Buffer.from(await compileKernel(build)).toString("base64");
  const lines = base64.match(/.{1,112}/g) ?? [];
  return [
    `/** ${build.source} as WebAssembly, in base64. Made by \`npm run kernels\`: do not edit. */`,
    `export const ${build.constantName}: string = [`,
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

/** Writes the modules, or, with `--check`, compares them. Returns the exit status. */
async function main(argumentList: readonly string[]): Promise<number> {
  let status = 0;
  for (const build of kernelBuilds) {
    const path = `${folder}${build.target}`;
    const text = await renderKernelModule(build);
    if (!argumentList.includes("--check")) {
      writeFileSync(path, text);
    } else if (readFileSync(path, "utf8") !== text) {
      process.stderr.write(`${path} is not what ${build.source} gives: run \`npm run kernels\` and commit it\n`);
      status = 1;
    }
  }
  return status;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
