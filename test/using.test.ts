// `using` as compilers make it for Node 20 and 22. What test/smoke runs on every line, and what TypeScript makes of it.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CachedFile, type Page, PageCache, type PinMode } from 'pinfold';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { expect, expectTypeOf, test } from 'vitest';
import { startWithFile } from './support/cache.ts';
import { bytesInFile, fileOf, testDirectory } from './support/directory.ts';
import { refusal } from './support/refusal.ts';
import { root } from './support/root.ts';

const PAGE = 4096;
const LIMIT_MS = 30_000;

test('a program that TypeScript has compiled for Node 20 leaves no pin behind, and its cache is closed', async () => {
  const directory = testDirectory();
  fs.mkdirSync(join(directory, 'node_modules'));
  fs.symlinkSync(root, join(directory, 'node_modules/pinfold'), 'junction');
  const source = fs.readFileSync(new URL('./support/using.ts', import.meta.url), 'utf8');
  const { outputText } = transpileModule(source, {
    compilerOptions: { target: ScriptTarget.ES2022, module: ModuleKind.ESNext },
  });
  expect(outputText).not.toMatch(/^\s*(await )?using /m);
  fs.writeFileSync(join(directory, 'program.mjs'), outputText);
  const path = fileOf(2 * PAGE);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs', path], {
    cwd: directory,
    timeout: LIMIT_MS,
  });
  expect(JSON.parse(stdout)).toEqual({ pins: 0, size: 2 * PAGE });
  expect(bytesInFile(path, PAGE, 1)[0]).toBe(0x75);
});

test('disposing of a cache with live pins tells of them, and it can be closed later', async () => {
  const cache = await PageCache.create({ memory: 256 * 1024 });
  const file = await cache.open(fileOf(PAGE));
  const page = file.pinSync(0);
  await expect(cache[Symbol.asyncDispose]()).rejects.toThrow(refusal('ERR_PINFOLD_BUSY', 'page 0'));
  page[Symbol.dispose]();
  page[Symbol.dispose]();
  file[Symbol.dispose]();
  await file[Symbol.asyncDispose]();
  expect(() => file.size).toThrow(refusal('ERR_PINFOLD_CLOSED'));
  await cache[Symbol.asyncDispose]();
  await cache[Symbol.asyncDispose]();
});

test('types tell what a call gives: pages by mode, callbacks with and without an argument', async () => {
  const { file } = await startWithFile(2);
  expectTypeOf(file.pinSync).returns.toExtend<Page>();
  const read = file.pinSync(0);
  const write = await file.pin(1, 'write');
  expectTypeOf(read).toEqualTypeOf<Page<'read'>>();
  expectTypeOf(write).toEqualTypeOf<Page<'write'>>();
  expectTypeOf((_file: CachedFile, mode: PinMode) => _file.pinSync(0, mode)).returns.toEqualTypeOf<Page>();
  const needsWrite = (_page: Page<'write'>) => {};
  needsWrite(write);
  // @ts-expect-error: a read pin does not do where something is to be stored
  needsWrite(read);
  read.unpin();
  write.unpin();
  const at = (bytes: Uint8Array, offset: number) => bytes[offset]!;
  expectTypeOf(file.viewSync(0, at, 3)).toEqualTypeOf<number>();
  // @ts-expect-error: the callback needs its argument
  file.viewSync(0, at);
  // @ts-expect-error: of its own type
  file.viewSync(0, at, 'three');
  expectTypeOf(file.update(0, (bytes) => bytes.length)).toEqualTypeOf<Promise<number>>();
  await file.fsync();
});
