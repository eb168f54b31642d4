import { describe, expect, test } from 'vitest';
import { fillRecord, judgeRecord, RECORD_WORDS } from '../bench/record.ts';
import { TruthCheck } from '../bench/roles/truth.ts';
import { fsyncFailures } from '../bench/scenarios/fsync-under-pins.ts';
import type { FsyncCell, FsyncPolicy } from '../bench/schema.ts';
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

  test('a control that was never seen to lie, unless a signal cut it short', () => {
    expect(fsyncFailures([cell('skip', 0)], false)).toEqual([expect.stringContaining('check is broken')]);
    expect(fsyncFailures([cell('skip', 0)], true)).toEqual([]);
  });

  test('a control that never came to fsync a pinned page', () => {
    expect(fsyncFailures([cell('skip', 0, 0)], false)).toHaveLength(1);
  });
});
