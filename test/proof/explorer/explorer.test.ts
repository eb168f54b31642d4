// The explorer itself: what it tries, what it finds, and that a schedule can be shown again.
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { root } from '../../support/root.ts';
import { type Code, load, scenariosOf } from './host.ts';
import { decode, encode } from './job.ts';
import { run, show } from './search.ts';

let code: Code;
let planted: Code;
const bounds = { preemptions: 1, deaths: 0 };

beforeAll(async () => {
  const file = 'src/protocol/copy.ts';
  const source = readFileSync(`${root}${file}`, 'utf8');
  const contents = source.replace('if (useq & 1) {', 'if (useq & 0) {');
  expect(contents).not.toBe(source);
  code = await load(root);
  planted = await load(root, { replaced: { [file]: { contents } } });
}, 120_000);

test('every schedule within a bound is tried, and the same ones each time', () => {
  const job = { scenario: 'pin-reclaim', bounds, seconds: 60 };
  const [one, two] = [run(code, job), run(code, job)];
  expect(one.violation).toBeUndefined();
  expect(one.count.complete).toBe(true);
  expect(one.count.schedules).toBeGreaterThan(50);
  expect(two.count).toEqual(one.count);
});

test('every death is tried', () => {
  const job = { scenario: 'update-update', actor: 'one', bounds: { preemptions: 0, deaths: 1 }, seconds: 60 };
  const { violation, count } = run(code, job);
  expect(violation).toBeUndefined();
  expect(count.complete).toBe(true);
  expect(count.deaths).toBeGreaterThan(20);
});

test('a mistake is found, and its schedule shown again from its text', () => {
  const { violation } = run(planted, {
    scenario: 'update-view-copy',
    bounds: { preemptions: 2, deaths: 0 },
    seconds: 60,
  });
  expect(violation?.what).toContain('half an update');
  const found = decode(violation!.replay);
  expect(encode(found)).toBe(violation!.replay);
  const shown = show(planted, found);
  expect(shown.violated).toBe(violation!.what);
  expect(shown.lines.length).toBeGreaterThan(10);
  expect(show(code, found).violated).toBeUndefined();
});

test('a mistake is found by schedules at random, too', () => {
  const { violation } = run(planted, { scenario: 'update-view-copy', seed: 1, seconds: 60 });
  expect(violation?.what).toContain('half an update');
  expect(show(planted, decode(violation!.replay)).violated).toBe(violation!.what);
});

test('the document lists the scenarios', async () => {
  const document = readFileSync(`${root}docs/proof.md`, 'utf8');
  const rows = (await scenariosOf(root)).map(({ name, shows }) => `| ${name} | ${shows} |`);
  const listed = document.split('\n').filter((line) => rows.includes(line));
  expect(listed.sort()).toEqual(rows.sort());
});
