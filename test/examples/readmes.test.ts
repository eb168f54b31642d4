// The READMEs of the examples show code of theirs: each block is in a source, word for word, or is marked as of use alone.
import fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/root.ts';

const NAMES = ['btree', 'ranges', 'sqlite', 'upload'];

const directory = (name: string) => join(root, 'examples', name);
const sources = (name: string) =>
  fs
    .readdirSync(directory(name), { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => fs.readFileSync(join(directory(name), file), 'utf8'));

const excerpts = NAMES.flatMap((name) => {
  const text = fs.readFileSync(join(directory(name), 'README.md'), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(({ 1: code, index }) => ({
    name,
    code,
    place: `examples/${name}/README.md:${text.slice(0, index).split('\n').length}`,
  }));
});

test('there are excerpts', () => {
  expect(new Set(excerpts.map(({ name }) => name)).size).toBe(NAMES.length);
});

test.each(excerpts)('the code at $place is in a source', ({ name, code }) => {
  expect(sources(name).some((source) => source.includes(code))).toBe(true);
});

test.each(NAMES)('%s is one command', (name) => {
  const { scripts } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'));
  expect(scripts).toHaveProperty(`example:${name}`);
  expect(fs.readFileSync(join(directory(name), 'README.md'), 'utf8')).toContain(`npm run example:${name}`);
});
