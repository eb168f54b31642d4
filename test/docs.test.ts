// What the documents say is tried: each block of code runs, each name they use exists.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { describe, expect, test } from 'vitest';
import * as layout from '../src/kernel/layout.ts';
import { checkCacheOptions } from '../src/options.ts';
import { testDirectory } from './support/directory.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const LIMIT_MS = 20_000;

interface Block {
  readonly place: string;
  readonly language: string;
  readonly code: string;
}

const read = (path: string) => fs.readFileSync(join(root, path), 'utf8');
const documents = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...fs
    .readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The js, ts and cjs blocks of a document, but for those with the info word `no-run`. */
function blocksOf(document: string): Block[] {
  const text = read(document);
  return [...text.matchAll(/^```(js|ts|cjs)\b([^\n]*)\n(.*?)^```$/gms)]
    .filter(([, , words]) => !words.split(/\s+/).includes('no-run'))
    .map(({ 1: language, 3: code, index }) => ({
      place: `${document}:${text.slice(0, index).split('\n').length}`,
      language,
      code,
    }));
}

/** A directory of its own in which `pinfold` is this package. */
function projectDirectory(): string {
  const directory = testDirectory();
  fs.mkdirSync(join(directory, 'node_modules'));
  fs.symlinkSync(root, join(directory, 'node_modules/pinfold'), 'junction');
  return directory;
}

const blocks = documents.flatMap(blocksOf);

test('the README has code that runs', () => {
  expect(blocks.map(({ place }) => place)).toContainEqual(expect.stringMatching(/^README/));
});

test.each(blocks)('the code at $place runs', { timeout: LIMIT_MS + 10_000 }, async ({ language, code }) => {
  const directory = projectDirectory();
  // Compiled for the oldest line: it does not know `using`.
  const { code: source } = await transform(code, {
    loader: language === 'ts' ? 'ts' : 'js',
    target: 'node20',
  });
  const name = language === 'cjs' ? 'block.cjs' : 'block.mjs';
  fs.writeFileSync(join(directory, name), source);
  const run = promisify(execFile)(process.execPath, [name], {
    cwd: directory,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  await expect(run).resolves.toHaveProperty('stderr', '');
});

describe('README.md', () => {
  const readme = read('README.md');

  test('has a quick start of 20 lines', () => {
    const [, code] = /^## Quick start\n\n```js\n(.*?)^```$/ms.exec(readme)!;
    expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(20);
  });

  test('names each option of a cache', () => {
    for (const name of Object.keys(checkCacheOptions(undefined))) expect(readme).toContain(`| \`${name}\` |`);
  });

  test('names each error code', () => {
    for (const [code] of read('src/errors.ts').matchAll(/(?<=\| ')ERR_PINFOLD_\w+/g)) {
      expect(readme).toContain(`\`${code}\``);
    }
  });

  test('names each gauge and counter', () => {
    for (const [, name] of read('src/stats.ts').matchAll(/^ {2}(\w+): number;$/gm)) {
      expect(readme).toContain(`\`${name}\``);
    }
  });
});

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
    .replaceAll(' ', '-');

test.each(documents)('%s links only to what is there', (document) => {
  const text = read(document).replaceAll(/^```.*?^```$/gms, '');
  const missing = [...text.matchAll(/\]\(([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(([link, path, anchor]) => {
    if (/^\w+:/.test(path)) return [];
    const target = path === '' ? document : join(dirname(document), path);
    if (!fs.existsSync(join(root, target))) return [link];
    if (anchor === undefined) return [];
    const anchors = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));
    return anchors.includes(anchor) ? [] : [link];
  });
  expect(missing).toEqual([]);
});

test.each(documents)('%s uses only words of the layout that exist', (document) => {
  const words = read(document).matchAll(
    /`((?:FRAME|BUCKET|ROW|FILE|HEADER|REQUEST|RESULT|UPDATE|STAGE)_[A-Z_]+)`/g,
  );
  const unknown = [...words].map(([, word]) => word).filter((word) => !(word in layout));
  expect(unknown).toEqual([]);
});
