// The code under test with mistakes planted in it: the library's sources bundled, the control kernel compiled, each with
// some places changed.
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from '../support/root.ts';
import { type Change, compileControl, QUICK } from './compile.ts';
import type { Engine } from './mortal.ts';
import { withPoints } from './points.ts';

const source = `${root}src/`;

/** The library's part of the engine with these changes; files are named from `src/`. */
export async function engineWith(changes: readonly Change[]): Promise<Engine> {
  return await bundleWith<Engine>(
    `export { Attachment } from './attachment.ts';
     export { CachedFile } from './file.ts';
     export { recover } from './protocol/recovery.ts';`,
    changes,
  );
}

/** The module `contents`, which imports from `src/`, with these changes to the sources. */
export async function bundleWith<T>(contents: string, changes: readonly Change[]): Promise<T> {
  const plant = (file: string) => {
    let text = readFileSync(source + file, 'utf8');
    for (const { from, to } of changes.filter((change) => change.file === file)) {
      const pieces = text.split(from);
      if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
      text = pieces.join(to);
    }
    return text;
  };
  const result = await build({
    stdin: { contents, resolveDir: source, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'silent',
    plugins: [
      {
        name: 'plant',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => ({
            contents: plant(path.slice(source.length)),
            loader: 'ts',
          }));
        },
      },
    ],
  });
  const code = Buffer.from(result.outputFiles[0]!.contents).toString('base64');
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${code}`)) as T;
}

/** The control kernel with these changes, with assertions and with points; files are named from `src/kernel/control/`. */
export async function kernelWith(changes: readonly Change[]): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(withPoints(await compileControl(changes, QUICK)) as BufferSource);
}
