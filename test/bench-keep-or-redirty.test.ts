import { describe, expect, test } from 'vitest';
import { PAGE_BYTES } from '../bench/files.ts';
import { TransferCheck } from '../bench/roles/keep-or-redirty/syncer.ts';
import type { Transfers } from '../bench/roles/keep-or-redirty/task.ts';
import { keepOrRedirtyFailures, pinnedPagesOf } from '../bench/scenarios/keep-or-redirty/index.ts';
import { planCells } from '../bench/scenarios/keep-or-redirty/plan.ts';
import { MODES } from '../bench/scenarios/keep-or-redirty/shape.ts';
import { keepOrRedirtyCell } from './support/keep-or-redirty.ts';

const PAGES = 3;
const PAGE = 1;

describe('the check of transfers after an fsync', () => {
  function start() {
    const words = () => new Int32Array(new SharedArrayBuffer(PAGES * 4));
    const transfers: Transfers = { stored: words(), dropped: words() };
    const check = new TransferCheck(transfers, PAGES);
    const file = new Int32Array(check.bytes.buffer);
    return {
      transfers,
      /** Notes what is stored and dropped, and looks at a file whose page has `found`. */
      checked(found: number, meanwhile = () => {}) {
        check.before();
        meanwhile();
        file[(PAGE * PAGE_BYTES) / 4] = found;
        check.after();
        const { checked, lies, live, liveCovered } = check;
        return { checked, lies, live, liveCovered };
      },
    };
  }

  test('has nothing to say of pages that nothing was stored into', () => {
    expect(start().checked(0)).toEqual({ checked: 0, lies: 0, live: 0, liveCovered: 0 });
  });

  test.each([
    ['the transfer', 7, 0],
    ['a later one', 8, 0],
    ['an earlier one', 6, 1],
  ])('of a dropped pin, the file having %s', (_, found, lies) => {
    const { transfers, checked } = start();
    transfers.stored[PAGE] = 7;
    transfers.dropped[PAGE] = 7;
    expect(checked(found)).toEqual({ checked: 1, lies, live: 0, liveCovered: 0 });
  });

  test.each([
    [9, 1],
    [8, 0],
  ])('of a live pin, the file having transfer %d of 9: covered %d, no lie', (found, liveCovered) => {
    const { transfers, checked } = start();
    transfers.stored[PAGE] = 9;
    transfers.dropped[PAGE] = 7;
    expect(checked(found)).toEqual({ checked: 1, lies: 0, live: 1, liveCovered });
  });

  test('does not hold a transfer that came after the call against it', () => {
    const { transfers, checked } = start();
    transfers.stored[PAGE] = 7;
    const drop = () => {
      transfers.stored[PAGE] = 8;
      transfers.dropped[PAGE] = 8;
    };
    expect(checked(6, drop)).toEqual({ checked: 0, lies: 0, live: 0, liveCovered: 0 });
  });
});

describe('the plan', () => {
  test.each([
    [298_000, 16],
    [118_000, 16],
    [28_000, 5],
    [1_000, 1],
  ])('has for %d ms %d cells, which take no longer', (durationMs, cells) => {
    const plan = planCells(durationMs);
    expect(plan).toHaveLength(cells);
    const taken = plan.reduce((sum, { runs, runMs }) => sum + MODES.length * runs * (runMs + 430), 0);
    expect(taken).toBeLessThanOrEqual(Math.max(durationMs, 2_800) * 1.01);
    for (const { holdMs, runMs } of plan) expect(runMs).toBeGreaterThanOrEqual(Math.min(250, 2 * holdMs));
  });

  test('covers the whole question in five minutes, modes in turns', () => {
    const plan = planCells(298_000);
    const shares = [...new Set(plan.map(({ pinnedShare }) => pinnedShare))];
    expect(shares).toEqual([0, 0.3, 0.6, 0.9]);
    expect([...new Set(plan.map(({ holdMs }) => holdMs))]).toEqual([0, 1, 10, 100, 1_000]);
    for (const { runs } of plan) expect(runs).toBeGreaterThan(1);
    expect(pinnedPagesOf(0)).toBe(0);
    expect(pinnedPagesOf(0.9)).toBeGreaterThan(8 * pinnedPagesOf(0.5));
  });
});

describe('a run fails for', () => {
  const seen = keepOrRedirtyCell(0.6, 100, { redirty: { falseClean: 20 } });

  test('nothing, if promises held and redirty was seen to count too little', () => {
    expect(keepOrRedirtyFailures([seen], false)).toEqual([]);
    expect(keepOrRedirtyFailures([], false)).toEqual([]);
  });

  test.each(MODES)('a transfer that the file lacks under %s, and a page that is lost', (mode) => {
    const lied = keepOrRedirtyCell(0.6, 100, {
      redirty: { falseClean: 1 },
      [mode]: { lies: 2, falseClean: 0 },
    });
    expect(keepOrRedirtyFailures([seen, lied], false)).toEqual([expect.stringContaining('lied')]);
    const lost = keepOrRedirtyCell(0.6, 100, {
      redirty: { falseClean: 1 },
      [mode]: { lost: 1, falseClean: 0 },
    });
    expect(keepOrRedirtyFailures([seen, lost], false)).toEqual([expect.stringContaining('differed')]);
  });

  test('a pinned page that counts as clean under keep', () => {
    const clean = keepOrRedirtyCell(0.3, 10, { keepAgain: { falseClean: 0.5 } });
    expect(keepOrRedirtyFailures([seen, clean], false)).toEqual([
      expect.stringContaining('were clean: keepAgain'),
    ]);
  });

  test('a comparison that saw nothing where the modes must differ, unless a signal cut it short', () => {
    const blind = keepOrRedirtyCell(0.6, 100, {});
    expect(keepOrRedirtyFailures([blind], false)).toEqual([expect.stringContaining('check is broken')]);
    expect(keepOrRedirtyFailures([blind], true)).toEqual([]);
    expect(keepOrRedirtyFailures([keepOrRedirtyCell(0.6, 1, {})], false)).toEqual([]); // too short to tell
  });
});
