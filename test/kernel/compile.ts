// Compiles copies of the control kernel's sources, changed in memory, with the flags of the shipped module.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { root } from '../support/root.ts';

const control = 'src/kernel/control';

// As in scripts/build-kernel.mjs; a test compares the outcome with the shipped module.
const common = [
  ...['--runtime', 'stub', '--importMemory', '--sharedMemory', '--noExportMemory'],
  ...['--initialMemory', '1', '--maximumMemory', '65536', '--use', 'abort=', '--enable', 'threads'],
  ...['--disable', 'bulk-memory', '--disable', 'sign-extension', '--disable', 'nontrapping-f2i'],
  ...['--disable', 'simd'],
];
const RELEASE = ['-O3', '--noAssert'];
/** With assertions, and 20 times as quick to compile: for tests that compile many. */
export const QUICK = ['-O1'];

/** One place of a source to change; `from` must occur there once. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The sources of the control kernel by file name. */
export function controlSources(): Map<string, string> {
  const files = readdirSync(join(root, control)).filter((name) => name.endsWith('.ts'));
  return new Map(files.map((file) => [file, readFileSync(join(root, control, file), 'utf8')]));
}

export function builtKernel(name: string): Uint8Array {
  return readFileSync(join(root, 'build/kernel', `${name}.wasm`));
}

/** The module of the sources with these changes: as released, unless other flags are given. */
export async function compileControl(
  changes: readonly Change[] = [],
  flags: readonly string[] = RELEASE,
): Promise<Uint8Array> {
  const sources = controlSources();
  for (const { file, from, to } of changes) {
    const pieces = sources.get(file)!.split(from);
    if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
    sources.set(file, pieces.join(to));
  }
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [`${control}/index.ts`, '--baseDir', root, '--outFile', 'control.wasm', ...common, ...flags],
    {
      readFile(name) {
        const changed = name.startsWith(`${control}/`) && sources.get(name.slice(control.length + 1));
        if (changed) return changed;
        try {
          return readFileSync(join(root, name), 'utf8');
        } catch {
          return null;
        }
      },
      writeFile(name, contents) {
        if (name === 'control.wasm') binary = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) throw new Error(`${error?.message ?? 'no output'}\n${stderr.toString()}`);
  return binary;
}
