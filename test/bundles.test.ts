// The package as programs load it: from TypeScript by tsx, in vitest, and inside the bundles of esbuild and Vite, which then run
// where nothing is installed.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { build as viteBuild } from 'vite';
import { describe, expect, test } from 'vitest';
import { testDirectory } from './support/directory.ts';
import { root } from './support/root.ts';

const PAGE = 4096;
const LIMIT_MS = 60_000;
const PROGRAM = join(root, 'test/support/shared-program.ts');

/** A directory in which `pinfold` is this package, with the program in it. */
function project(): string {
  const directory = testDirectory();
  fs.mkdirSync(join(directory, 'node_modules'));
  fs.symlinkSync(root, join(directory, 'node_modules/pinfold'), 'junction');
  fs.copyFileSync(PROGRAM, join(directory, 'program.ts'));
  fs.writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
  return directory;
}

/** Runs the program and looks at what it says and what it left in the file. */
async function expectToWork(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const data = join(testDirectory(), 'data');
  fs.writeFileSync(data, new Uint8Array(2 * PAGE));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...args, data], {
    cwd,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, ...env },
  });
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({ told: 'synced', seen: 0x51, refused: 'RangeError ERR_PINFOLD_RANGE' });
  const bytes = fs.readFileSync(data);
  expect([bytes[0], bytes[1], bytes[PAGE], bytes[2 * PAGE - 1]]).toEqual([0x50, 0, 0x51, 0x51]);
}

/** Node 20 gives workers none of tsx's hooks, so that their entries register it. */
const TSX_WORKER = `import { register } from 'tsx/esm/api';
register();
await import('./program.ts');`;

test('tsx', { timeout: LIMIT_MS }, async () => {
  const directory = project();
  fs.symlinkSync(join(root, 'node_modules/tsx'), join(directory, 'node_modules/tsx'), 'junction');
  fs.writeFileSync(join(directory, 'worker.mjs'), TSX_WORKER);
  await expectToWork(directory, ['--import', 'tsx', 'program.ts'], { PROGRAM_WORKER: './worker.mjs' });
});

describe('a bundle, where nothing is installed', () => {
  test.each([
    ['esm', 'mjs', false],
    ['cjs', 'cjs', false],
    ['esm', 'mjs', true],
    ['cjs', 'cjs', true],
  ] as const)(
    'of esbuild (%s, .%s, minified: %s)',
    { timeout: LIMIT_MS },
    async (format, extension, minify) => {
      const directory = project();
      const alone = testDirectory();
      const outfile = join(alone, `program.${extension}`);
      const { warnings } = await build({
        absWorkingDir: directory,
        entryPoints: ['program.ts'],
        outfile,
        bundle: true,
        platform: 'node',
        target: 'node20',
        format,
        minify,
        logLevel: 'silent',
      });
      expect(warnings).toEqual([]);
      await expectToWork(alone, [outfile]);
    },
  );

  test.each([false, 'oxc'] as const)('of Vite (minify: %s)', { timeout: LIMIT_MS }, async (minify) => {
    const directory = project();
    const alone = testDirectory();
    await viteBuild({
      root: directory,
      configFile: false,
      logLevel: 'error',
      ssr: { noExternal: true },
      build: {
        ssr: 'program.ts',
        outDir: alone,
        emptyOutDir: true,
        minify,
        target: 'node20',
        rolldownOptions: { output: { entryFileNames: 'program.mjs' } },
      },
    });
    await expectToWork(alone, [join(alone, 'program.mjs')]);
  });
});

test.each(['external', 'inlined'])('vitest (%s)', { timeout: LIMIT_MS }, async (way) => {
  const directory = project();
  fs.rmSync(join(directory, 'program.ts'));
  for (const name of ['vitest', 'vite']) {
    fs.symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name), 'junction');
  }
  fs.writeFileSync(
    join(directory, 'vitest.config.mjs'),
    `export default { test: { pool: 'forks', server: { deps: { inline: ${way === 'inlined' ? "['pinfold', /pinfold|dist/]" : '[]'} } } } };`,
  );
  fs.writeFileSync(join(directory, 'data'), new Uint8Array(PAGE));
  fs.writeFileSync(
    join(directory, 'cache.test.ts'),
    `import { PageCache } from 'pinfold';
     import { expect, test } from 'vitest';
     test('a cache works', async () => {
       const cache = await PageCache.create({ memory: 256 * 1024 });
       const file = await cache.open('data');
       file.updateSync(0, (bytes: Uint8Array) => bytes.fill(7));
       expect((await file.fsync()).pages).toBe(1);
       await cache.close();
     });`,
  );
  const program = join(root, 'node_modules/vitest/vitest.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'run'], {
    cwd: directory,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    env: { ...process.env, NO_COLOR: '1', VITEST: undefined },
  });
  expect(stdout).toMatch(/Tests +1 passed/);
  expect(fs.readFileSync(join(directory, 'data'))[9]).toBe(7);
});
