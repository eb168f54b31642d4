import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import {
  type Announced,
  announceFirst,
  announceReturn,
  DMA_BYTES,
  dmaOffsetOf,
  FIRST_SEQUENCE,
  fillFirstRecords,
  PAGE_WORDS,
  placeOf,
  RECORD_PARTS,
} from '../bench/parts.ts';
import { createRandom } from '../bench/random.ts';
import { fillRecord, RECORD_WORDS } from '../bench/record.ts';
import { MixedTruth } from '../bench/roles/mixed/truth.ts';
import { openPlainFile, type PlainFile } from '../bench/roles/plain-file.ts';
import { mixedFailures } from '../bench/scenarios/mixed.ts';
import type { MixedArm, MixedCell } from '../bench/schema.ts';
import { transferKept } from '../bench/transfers.ts';
import { fileOf } from './support/directory.ts';

const PAGES = 3;
const ALL_PAGES = Int32Array.from({ length: PAGES }, (_, page) => page);
const PAGE = 1;
const PAGE_BYTES = PAGE_WORDS * 4;
const PARTS = Array.from({ length: RECORD_PARTS }, (_, part) => part);
const SEQUENCE = 41;

/** A file in memory, whose contents after each wait for writes are what `next` makes of them. */
class FileInMemory implements PlainFile {
  readonly words = new Int32Array(PAGES * PAGE_WORDS);
  readonly bytes = new Uint8Array(this.words.buffer);
  reads = 0;
  waits = 0;
  next = (_waits: number): void => {};

  constructor() {
    fillFirstRecords(this.words, PAGES);
  }

  put(part: number, sequence: number, page = PAGE): void {
    fillRecord(this.words, page * PAGE_WORDS + part * RECORD_WORDS, placeOf(page, part), sequence);
  }

  /** Words of `sequence` up to `cut`, of `before` from there on. */
  mix(part: number, sequence: number, before: number, cut = RECORD_WORDS / 2): void {
    this.put(part, sequence);
    const start = PAGE * PAGE_WORDS + part * RECORD_WORDS;
    const head = this.words.slice(start, start + cut);
    this.put(part, before);
    this.words.set(head, start);
  }

  read(target: Uint8Array, page: number): void {
    this.reads++;
    target.set(this.bytes.subarray(page * PAGE_BYTES, page * PAGE_BYTES + target.length));
  }

  outwait(): void {
    this.next(++this.waits);
  }
}

function start(): { file: FileInMemory; announced: Announced; truth: MixedTruth } {
  const file = new FileInMemory();
  const announced = announceFirst(PAGES);
  return { file, announced, truth: new MixedTruth(file, announced, ALL_PAGES, createRandom(1)) };
}

/** What the check says after an fsync before which `SEQUENCE` of the part had returned. */
function checkAfter({ announced, truth }: ReturnType<typeof start>, part: number) {
  announceReturn(announced, placeOf(PAGE, part), SEQUENCE);
  truth.note();
  const holds = truth.holds();
  const { recordsOlder, dmaOlder, halves, passing } = truth;
  return { holds, recordsOlder, dmaOlder, halves, passing };
}

const CLEAN = { holds: true, recordsOlder: 0, dmaOlder: 0, halves: 0, passing: 0 };

describe.each(PARTS)('the file after an fsync, record %d', (part) => {
  test.each([
    ['what had returned', SEQUENCE],
    ['something newer', SEQUENCE + 1],
  ])('holds %s', (_, sequence) => {
    const on = start();
    on.file.put(part, sequence);
    expect(checkAfter(on, part)).toEqual(CLEAN);
    expect(on.file.reads).toBe(PAGES); // each once
  });

  test.each([
    ['the one before', SEQUENCE - 1],
    ['the first', FIRST_SEQUENCE],
  ])('holds %s: a lie', (_, sequence) => {
    const on = start();
    on.file.put(part, sequence);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, holds: false, recordsOlder: 1 });
  });

  test('what returns after the call need not be there', () => {
    const on = start();
    on.truth.note();
    announceReturn(on.announced, placeOf(PAGE, part), SEQUENCE);
    expect(on.truth.holds()).toBe(true);
  });

  test('once looked at, it is looked at again only if something has returned since, or by chance', () => {
    const on = start();
    on.file.put(part, SEQUENCE);
    expect(checkAfter(on, part)).toEqual(CLEAN);
    on.file.put(part, SEQUENCE - 1);
    expect(checkAfter(on, part)).toMatchObject({ holds: false, recordsOlder: 1 });
  });

  test('holds a mix of two updates that stays, wherever it is cut: half an update', () => {
    for (const cut of [1, 3, 4, RECORD_WORDS / 2, RECORD_WORDS - 1]) {
      for (const [head, tail] of [
        [SEQUENCE, SEQUENCE - 1],
        [SEQUENCE + 1, SEQUENCE],
        [SEQUENCE, SEQUENCE + 1],
      ]) {
        const on = start();
        on.file.mix(part, head, tail, Math.max(cut, 3)); // before its sequence two records of a place are the same
        expect(checkAfter(on, part)).toEqual({ ...CLEAN, halves: 1 });
        expect(on.file.waits).toBeGreaterThan(1); // never without having waited for writes
      }
    }
  });

  test('holds the record of another place', () => {
    const on = start();
    const other = (part + 1) % RECORD_PARTS;
    fillRecord(on.file.words, PAGE * PAGE_WORDS + part * RECORD_WORDS, placeOf(PAGE, other), SEQUENCE);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, halves: 1 });
  });

  test('a read that a write tore does not count', () => {
    const on = start();
    on.file.mix(part, SEQUENCE + 1, SEQUENCE);
    on.file.next = () => on.file.put(part, SEQUENCE + 1);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, passing: 1 });
  });

  test('nor does one after another, and the check comes to an end', () => {
    const on = start();
    on.file.mix(part, SEQUENCE + 1, SEQUENCE);
    on.file.next = (waits) => on.file.mix(part, SEQUENCE + 1 + waits, SEQUENCE + waits);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, passing: 1 });
  });

  test('a torn read of half an update is found out when it stays', () => {
    const on = start();
    on.file.mix(part, SEQUENCE + 1, SEQUENCE, 9);
    on.file.next = () => on.file.mix(part, SEQUENCE + 1, SEQUENCE);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, halves: 1 });
  });

  test('a torn read does not hide a lie', () => {
    const on = start();
    on.file.mix(part, SEQUENCE - 1, SEQUENCE - 2);
    on.file.next = () => on.file.put(part, SEQUENCE - 1);
    expect(checkAfter(on, part)).toEqual({ ...CLEAN, holds: false, recordsOlder: 1, passing: 1 });
  });
});

describe('what is announced', () => {
  test('never goes back: updaters announce in any order', () => {
    const announced = announceFirst(PAGES);
    const place = placeOf(PAGE, 0);
    announceReturn(announced, place, SEQUENCE);
    announceReturn(announced, place, SEQUENCE - 1);
    expect(announced.returned[place]).toBe(SEQUENCE);
  });
});

describe('bytes of DMA', () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);

  test.each([
    ['of the transfer that had landed', bytes(7, 7), 7, 7, true],
    ['of the one under way beside it', bytes(8, 7, 8), 7, 8, true],
    ['of the one before', bytes(7, 6), 7, 7, false],
    ['of the one before, beside the one under way', bytes(8, 6), 7, 8, false],
    ['of none that had begun', bytes(9), 7, 8, false],
    ['past the last value', bytes(0, 255), 255, 256, true],
    ['before the first value', bytes(255), 256, 256, false],
    ['of as many transfers as there are values: nothing can be said', bytes(3), 7, 263, true],
  ])('%s', (_, found, landed, begun, kept) => {
    expect(transferKept(found, landed, begun)).toBe(kept);
  });

  test('that had landed and are not in the file make a lie', () => {
    const on = start();
    const at = PAGE * PAGE_BYTES + dmaOffsetOf(1);
    on.announced.dmaBegun[PAGE * 2 + 1] = 1;
    on.announced.dmaLanded[PAGE * 2 + 1] = 1;
    on.file.bytes.fill(1, at, at + DMA_BYTES);
    on.truth.note();
    expect(on.truth.holds()).toBe(true);
    on.file.bytes[at + DMA_BYTES - 1] = 0;
    expect(on.truth.holds()).toBe(false);
    expect(on.truth).toMatchObject({ dmaOlder: 1, recordsOlder: 0, halves: 0 });
  });
});

describe('a real file', () => {
  /** A file of PAGES pages, record 0 of PAGE as `put` leaves it. */
  function fileWith(put: (file: FileInMemory) => void): string {
    const memory = new FileInMemory();
    put(memory);
    const path = fileOf(0);
    fs.writeFileSync(path, memory.bytes);
    return path;
  }

  test('with half an update in it', () => {
    const path = fileWith((file) => file.mix(0, SEQUENCE, SEQUENCE - 1));
    const file = openPlainFile(path);
    const truth = new MixedTruth(file, announceFirst(PAGES), ALL_PAGES, createRandom(1));
    truth.note();
    expect(truth.holds()).toBe(true);
    expect(truth.halves).toBe(1);
    file.close();
  });

  test('that is too short is an error', () => {
    const file = openPlainFile(fileOf(100));
    expect(() => file.read(new Uint8Array(PAGE_BYTES), 0)).toThrow('100 of 4096');
    file.close();
  });

  test('into which another thread writes whole records all the time: no wolf', async () => {
    const path = fileWith(() => {});
    const images = [SEQUENCE, SEQUENCE + 1].map((sequence) => {
      const memory = new FileInMemory();
      for (const part of PARTS) memory.put(part, sequence);
      return memory.bytes.slice(PAGE * PAGE_BYTES, (PAGE + 1) * PAGE_BYTES);
    });
    const flags = new Int32Array(new SharedArrayBuffer(8)); // stop, images written
    const program = `
      const fs = require('node:fs');
      const { path, images, flags, position } = require('node:worker_threads').workerData;
      const fd = fs.openSync(path, 'r+');
      while (Atomics.load(flags, 0) === 0) {
        fs.writeSync(fd, images[Atomics.load(flags, 1) % 2], 0, images[0].length, position);
        Atomics.add(flags, 1, 1);
      }
      fs.closeSync(fd);`;
    const worker = new Worker(program, {
      eval: true,
      workerData: { path, images, flags, position: PAGE * PAGE_BYTES },
    });
    const ended = new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    const file = openPlainFile(path);
    const truth = new MixedTruth(file, announceFirst(PAGES), ALL_PAGES, createRandom(1));
    truth.note();
    // At least so many checks, and so many writes beside them.
    for (let n = 0; n < 2_000 || Atomics.load(flags, 1) < 2_000; n++) truth.holds();
    Atomics.store(flags, 0, 1);
    await ended;
    file.close();
    expect(truth).toMatchObject({ recordsOlder: 0, dmaOlder: 0, halves: 0 });
  });
});

describe('what fails a run', () => {
  const GOOD = {
    viewsChecked: 9,
    halvesInViews: 0,
    viewsOlder: 0,
    fsyncsChecked: 9,
    lies: 0,
    recordsOlder: 0,
    dmaOlder: 0,
    halvesInFile: 0,
    passing: 1,
  };
  const cell = (arm: MixedArm, truth: Partial<typeof GOOD> = {}) =>
    ({ arm, pinnedDirty: 'keep', truth: { ...GOOD, ...truth } }) as MixedCell;
  const stores = cell('stores', { halvesInViews: 1, halvesInFile: 1 });
  const skip = cell('skip', { lies: 1 });

  test('nothing: truth, and controls that show what they must', () => {
    expect(mixedFailures([cell('updates'), stores, skip], false)).toEqual([]);
  });

  test('a control may need more than one try, and show one thing at a time', () => {
    const tries = [
      cell('stores', { halvesInViews: 1 }),
      cell('stores', { halvesInFile: 1 }),
      cell('skip'),
      skip,
    ];
    expect(mixedFailures(tries, false)).toEqual([]);
  });

  test.each([
    ['lies', 'fsync lied'],
    ['halvesInFile', 'the file held'],
    ['halvesInViews', 'showed half an update'],
    ['viewsOlder', 'missed an update'],
  ] as const)('one of %s', (figure, message) => {
    const bad = cell('updates', { [figure]: 1 });
    expect(mixedFailures([bad, stores, skip], true)).toEqual([expect.stringContaining(message)]);
  });

  test('half an update where fsync alone is not to be trusted', () => {
    const bad = cell('skip', { lies: 1, halvesInFile: 1 });
    expect(mixedFailures([bad], true)).toEqual([expect.stringContaining('half updates')]);
  });

  test.each([
    ['views', cell('stores', { halvesInFile: 1 }), 'views'],
    ['the file', cell('stores', { halvesInViews: 1 }), 'file'],
    ['fsync', cell('skip'), 'skip'],
  ])('a control of %s that showed nothing, unless a signal cut it short', (_, control, message) => {
    expect(mixedFailures([control], false)).toEqual([expect.stringContaining(message)]);
    expect(mixedFailures([control], true)).toEqual([]);
  });
});
