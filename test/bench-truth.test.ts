import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fillRecord, judgeRecord, RECORD_WORDS } from '../bench/record.ts';
import { READ_PART } from '../bench/roles/pinner.ts';
import { TruthCheck } from '../bench/roles/truth.ts';
import { fsyncFailures } from '../bench/scenarios/fsync-under-pins.ts';
import type { FsyncCell, FsyncPolicy } from '../bench/schema.ts';
import { noTransfers } from '../bench/transfers.ts';
import { fileOf } from './support/directory.ts';

const PAGE = 3;
const SEQUENCE = 41;

function record(sequence: number): Int32Array {
  const words = new Int32Array(RECORD_WORDS);
  fillRecord(words, 0, PAGE, sequence);
  return words;
}

describe('the record of a commit', () => {
  test.each([
    ['its own', SEQUENCE, 'kept'],
    ['a later one', SEQUENCE + 1, 'kept'],
    ['an earlier one', SEQUENCE - 1, 'older'],
  ])('found: %s', (_, found, judgement) => {
    expect(judgeRecord(record(found), 0, PAGE, SEQUENCE)).toBe(judgement);
  });

  test('found: nothing yet', () => {
    expect(judgeRecord(new Int32Array(RECORD_WORDS), 0, PAGE, SEQUENCE)).toBe('older');
  });

  test('found: another page', () => {
    expect(judgeRecord(record(SEQUENCE), 0, PAGE + 1, SEQUENCE)).toBe('torn');
  });

  test('any cut between two commits is torn', () => {
    const [before, after] = [record(SEQUENCE - 1), record(SEQUENCE)];
    for (let cut = 3; cut < RECORD_WORDS; cut++) {
      const mixed = Int32Array.from(after, (word, i) => (i < cut ? word : before[i]));
      expect(judgeRecord(mixed, 0, PAGE, SEQUENCE)).toBe('torn');
    }
  });

  test('any other word is torn', () => {
    for (let i = 0; i < RECORD_WORDS; i++) {
      const words = record(SEQUENCE);
      words[i] ^= 0x100;
      expect(judgeRecord(words, 0, PAGE, SEQUENCE)).not.toBe('kept');
    }
  });

  test('a file without records holds none of them', () => {
    const check = new TruthCheck(fileOf(2 * 4096), 2);
    expect(check.holds(SEQUENCE)).toBe(false);
    expect(check.recordsOlder + check.recordsTorn).toBe(2);
    check.close();
  });
});

describe('what a socket has received', () => {
  const PAGES = 2;
  const PAGE_BYTES = 4096;

  /** A file of whole records, whose received parts are full of `values`, one a page. */
  function fileOfReceived(...values: number[]): string {
    const path = fileOf(PAGES * PAGE_BYTES);
    const words = new Int32Array((PAGES * PAGE_BYTES) / 4);
    const bytes = new Uint8Array(words.buffer);
    values.forEach((value, page) => {
      fillRecord(words, (page * PAGE_BYTES) / 4, page, SEQUENCE);
      const at = page * PAGE_BYTES + READ_PART.offset;
      bytes.fill(value, at, at + READ_PART.bytes);
    });
    fs.writeFileSync(path, bytes);
    return path;
  }

  /** The check of such a file, after an fsync before which transfer `landed` of page 1 had landed; `begun` had begun by the check. */
  function checkOf(path: string, landed: number, begun: number) {
    const transfers = noTransfers(PAGES);
    const check = new TruthCheck(path, PAGES, transfers);
    transfers.begun[1] = begun;
    transfers.landed[1] = landed;
    check.note();
    transfers.landed[1] = begun; // what lands after the call is not promised
    const holds = check.holds(SEQUENCE);
    check.close();
    return { holds, receivedOlder: check.receivedOlder };
  }

  test('must be in the file once it has landed, or something newer that had begun', () => {
    expect(checkOf(fileOfReceived(0, 7), 7, 7)).toEqual({ holds: true, receivedOlder: 0 });
    expect(checkOf(fileOfReceived(0, 8), 7, 8)).toEqual({ holds: true, receivedOlder: 0 });
    expect(checkOf(fileOfReceived(0, 6), 7, 8)).toEqual({ holds: false, receivedOlder: 1 });
  });

  test('is a lie if one byte of it is missing', () => {
    const path = fileOfReceived(0, 7);
    const fd = fs.openSync(path, 'r+');
    fs.writeSync(fd, Uint8Array.of(6), 0, 1, PAGE_BYTES + READ_PART.offset + READ_PART.bytes - 1);
    fs.closeSync(fd);
    expect(checkOf(path, 7, 7)).toEqual({ holds: false, receivedOlder: 1 });
  });

  test('is nothing before anything has landed', () => {
    expect(checkOf(fileOfReceived(0, 0), 0, 1)).toEqual({ holds: true, receivedOlder: 0 });
  });
});

describe('what fails a run', () => {
  const cell = (policy: FsyncPolicy, lies: number, perSecond = 9) =>
    ({
      policy,
      pinnedDirty: 'keep',
      holdMs: 1,
      arms: { pinned: { perSecond } },
      truth: { checked: 9, lies, recordsOlder: lies, recordsTorn: 0 },
    }) as FsyncCell;

  test('nothing: truth, and a control that lies', () => {
    expect(
      fsyncFailures([cell('bounce', 0), cell('block', 0), cell('skip', 0), cell('skip', 1)], false),
    ).toEqual([]);
  });

  test.each(['bounce', 'block'] as const)('one lie under %s', (policy) => {
    expect(fsyncFailures([cell(policy, 1), cell('skip', 1)], false)).toEqual([
      expect.stringContaining(policy),
    ]);
  });

  test('a control that was not seen to leave out what a socket had received', () => {
    const received = (receivedOlder: number) => {
      const control = cell('skip', 1);
      return { ...control, pinSource: 'socket', truth: { ...control.truth, receivedOlder } } as FsyncCell;
    };
    expect(fsyncFailures([received(0), received(1)], false)).toEqual([]);
    expect(fsyncFailures([received(0)], false)).toEqual([expect.stringContaining('socket')]);
    expect(fsyncFailures([received(0)], true)).toEqual([]);
  });

  test('a control that was never seen to lie, unless a signal cut it short', () => {
    expect(fsyncFailures([cell('skip', 0)], false)).toEqual([expect.stringContaining('check is broken')]);
    expect(fsyncFailures([cell('skip', 0)], true)).toEqual([]);
  });

  test('a control that never came to fsync a pinned page', () => {
    expect(fsyncFailures([cell('skip', 0, 0)], false)).toHaveLength(1);
  });
});
