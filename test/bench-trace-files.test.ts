import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BadTrace, readTrace } from '../bench/scenarios/replacement/csv.ts';
import { testDirectory } from './support/directory.ts';

function traceOf(text: string): { path: string; accesses: number[]; footprint: number } {
  const path = join(testDirectory(), 'some.csv');
  fs.writeFileSync(path, text);
  const { accesses, footprint } = readTrace(path);
  return { path, accesses: [...accesses], footprint };
}

describe('pages are numbered as they first come', () => {
  test.each([
    ['one column', '7\n9\n7\n', [0, 1, 0]],
    ['no newline at the end, others as Windows has them', '7\r\n9\r\n7', [0, 1, 0]],
    ['time and page', '1,7\n2,9\n3,7\n', [0, 1, 0]],
    ['times with a fraction', '0.5,7\n1.25,9\n', [0, 1]],
    ['time, page, size, operation', '1,7,4096,r\n2,9,512,w\n', [0, 1]],
    ['blanks and semicolons', '1 7\n2;9\n3\t7\n', [0, 1, 0]],
    ['a header for one column', 'page\n7\n', [0]],
    ['a header that says where the page is', 'op,key,time\nr,7,1\nw,9,2\n', [0, 1]],
    ['empty lines and remarks', '# a trace\n\n7\n', [0]],
    ['large numbers', '9007199254740991\n0\n', [0, 1]],
  ])('%s', (_, text, accesses) => {
    const trace = traceOf(text);
    expect(trace.accesses).toEqual(accesses);
    expect(trace.footprint).toBe(new Set(accesses).size);
  });

  test('a file of many chunks is read whole', () => {
    const lines = Array.from({ length: 300_000 }, (_, i) => `${i},${i % 1_000}`);
    const { accesses, footprint } = traceOf(lines.join('\n'));
    expect(footprint).toBe(1_000);
    expect(accesses).toEqual(lines.map((_, i) => i % 1_000));
  });
});

describe('what is wrong is told with file and line', () => {
  test.each([
    ['a page that is none', '7\n9\nx\n', 'line 3', "'x'"],
    ['a page with a fraction', '7\n9.5\n', 'line 2', "'9.5'"],
    ['a negative page', '7\n-1\n', 'line 2', "'-1'"],
    ['a page too large', '9007199254740992\n', 'line 1', "'9007199254740992'"],
    ['a missing column', '1,7\n2\n', 'line 2', 'column 2'],
    ['a header without a page', 'time,size\n1,7\n', 'line 1', 'time, size'],
  ])('%s', (_, text, line, what) => {
    expect(() => traceOf(text)).toThrow(BadTrace);
    expect(() => traceOf(text)).toThrow(/some\.csv/);
    expect(() => traceOf(text)).toThrow(line);
    expect(() => traceOf(text)).toThrow(what);
  });

  test('an empty file, a missing one, a directory', () => {
    expect(() => traceOf('')).toThrow(/holds no accesses/);
    expect(() => readTrace(join(testDirectory(), 'none.csv'))).toThrow(BadTrace);
    expect(() => readTrace(testDirectory())).toThrow(BadTrace);
  });
});
