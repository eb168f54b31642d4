import { describe, expect, test } from 'vitest';
import { pairedRatio, uncertaintyOf, verdictOf } from '../bench/arms.ts';
import { holdsOf } from '../bench/holds.ts';
import { createRandom } from '../bench/random.ts';
import { HOLD_SHAPES } from '../bench/schema.ts';
import { ARMS, armMsOf, blockAt, drawTimeline, rhythmOf } from '../bench/timeline.ts';
import { drawWindows, durationMsOf, ratioOfRounds, roundsOf, warmsUp } from '../bench/windows.ts';

const NS_PER_MS = 1e6;

describe.each([0, 1, 10, 30, 100])('the timeline of a hold of %d ms', (holdMs) => {
  const timeline = drawTimeline({ startNs: 1e9, durationMs: 3_000, holdMs, holdShape: 'fixed', seed: 7 });
  const { blockArm, blockStartNs, holdArm, holdStartNs, holdEndNs, staggerNs, endNs } = timeline;

  test('gives each triple of neighbouring blocks every arm once', () => {
    expect(blockArm.length % ARMS.length).toBe(0);
    for (let i = 0; i < blockArm.length; i += ARMS.length) {
      expect([...blockArm.subarray(i, i + ARMS.length)].sort()).toEqual([0, 1, 2]);
    }
  });

  test('keeps blocks at about 100 ms or less', () => {
    expect(rhythmOf(holdMs).blockMs).toBeLessThan(106);
  });

  test('keeps every hold, its stagger included, in a block of its arm, with a gap before the next', () => {
    expect(holdStartNs.length).toBeGreaterThanOrEqual(blockArm.length);
    for (let i = 0; i < holdStartNs.length; i++) {
      const block = blockAt(timeline, holdStartNs[i]);
      expect(holdArm[i]).toBe(blockArm[block]);
      expect(holdEndNs[i] - holdStartNs[i]).toBeCloseTo(holdMs * NS_PER_MS, -2);
      expect(holdEndNs[i] + staggerNs).toBeLessThan(blockStartNs[block + 1] ?? endNs);
      expect(holdEndNs[i] + staggerNs).toBeLessThan(holdStartNs[i + 1] ?? endNs);
    }
  });
});

describe.each(HOLD_SHAPES)('holds that are %s', (holdShape) => {
  const drawMany = (mean: number) => {
    const draw = holdsOf(holdShape, mean, createRandom(11));
    return Array.from({ length: 200_000 }, draw);
  };

  test('have the mean that was asked for', () => {
    for (const mean of [1, 40]) {
      const sum = drawMany(mean).reduce((total, length) => total + length, 0);
      expect(sum / 200_000 / mean).toBeGreaterThan(0.98);
      expect(sum / 200_000 / mean).toBeLessThan(1.02);
    }
  });

  test('have the tail of their shape', () => {
    const lengths = drawMany(1).sort((a, b) => a - b);
    const longerThan = (length: number) => lengths.filter((each) => each > length).length / lengths.length;
    const expected = { fixed: [0, 0], exponential: [Math.exp(-2), Math.exp(-10)], heavy: [0.083, 0.0049] };
    for (const [n, length] of [2, 10].entries())
      expect(longerThan(length)).toBeCloseTo(expected[holdShape][n], 2);
    expect(lengths[0]).toBeGreaterThanOrEqual(0);
    if (holdShape === 'heavy') {
      expect(lengths[0]).toBeGreaterThan(0.35);
      expect(lengths.at(-1)).toBeLessThanOrEqual(20);
      expect(lengths.at(-1)).toBeGreaterThan(15);
    }
  });

  test('are the same in each arm of a triple, and whole in their blocks', () => {
    const timeline = drawTimeline({ startNs: 1e9, durationMs: 6_000, holdMs: 10, holdShape, seed: 5 });
    const { blockArm, blockStartNs, holdArm, holdStartNs, holdEndNs, staggerNs, endNs } = timeline;
    const ends = [...blockStartNs.subarray(1), endNs];
    const holdsIn = blockArm.length;
    const byBlock: string[] = Array.from({ length: holdsIn }, () => '');
    for (let i = 0; i < holdStartNs.length; i++) {
      const block = blockAt(timeline, holdStartNs[i]);
      expect(holdArm[i]).toBe(blockArm[block]);
      expect(holdEndNs[i] + staggerNs).toBeLessThan(ends[block]);
      const [from, to] = [holdStartNs[i] - blockStartNs[block], holdEndNs[i] - blockStartNs[block]];
      byBlock[block] += `${Math.round(from / 1e3)}-${Math.round(to / 1e3)} `;
    }
    expect(new Set(byBlock).size).toBeGreaterThan(1);
    for (let block = 0; block < blockArm.length; block += ARMS.length)
      expect(new Set(byBlock.slice(block, block + ARMS.length)).size).toBe(1);
    expect((armMsOf(timeline) * ARMS.length) / 6_000).toBeGreaterThan(0.8);
  });
});

describe('windows', () => {
  const windows = drawWindows({
    durationMs: 2_000,
    arms: 4,
    windowMinMs: 20,
    windowMaxMs: 80,
    gapMs: 10,
    seed: 3,
  });

  test('hold each arm once a round, none upon another, within their time', () => {
    expect(windows.arm.length % 4).toBe(0);
    const orders = new Set<string>();
    for (let n = 0; n < windows.arm.length; n += 4) {
      const round = [...windows.arm.subarray(n, n + 4)];
      orders.add(round.join());
      expect(round.sort()).toEqual([0, 1, 2, 3]);
    }
    expect(orders.size).toBeGreaterThan(1);
    for (let n = 1; n < windows.startNs.length; n++)
      expect(windows.startNs[n] - windows.startNs[n - 1] - windows.lengthNs).toBeCloseTo(10 * NS_PER_MS, -3);
    expect(windows.startNs[0]).toBe(0);
    expect(durationMsOf(windows)).toBeLessThanOrEqual(2_000);
  });

  test('of the first round do not count, nor do those of a round that was broken off', () => {
    const figures = Array.from(windows.arm, (arm, n) => arm + 10 * Math.floor(n / 4));
    const rounds = windows.arm.length / 4;
    expect(roundsOf(windows, figures, 2)).toEqual(Array.from({ length: rounds - 1 }, (_, n) => 12 + 10 * n));
    expect(roundsOf(windows, figures.slice(0, 11), 2)).toEqual([12]);
    expect(roundsOf(windows, [], 2)).toEqual([]);
    expect([3, 4].map((n) => warmsUp(windows, n))).toEqual([true, false]);
  });

  test('of one round are compared with one another', () => {
    expect(ratioOfRounds([2, 4, 60], [1, 2, 30])).toMatchObject({ median: 2, q1: 2, q3: 2 });
    expect(ratioOfRounds([1, 2], [0, 1])).toMatchObject({ median: 2 });
    expect(ratioOfRounds([], [])).toBeNull();
  });

  test('are two rounds at the least, however little time there is', () => {
    const few = drawWindows({
      durationMs: 1,
      arms: 3,
      windowMinMs: 20,
      windowMaxMs: 80,
      gapMs: 0,
      seed: 1,
    });
    expect(few.arm.length).toBe(6);
    expect(few.lengthNs).toBe(20 * NS_PER_MS);
  });
});

describe('ratios of arms', () => {
  test('are of neighbours: a machine that drifts by the factor of ten leaves them alone', () => {
    const drift = Array.from({ length: 10 }, (_, triple) => ({ triple, value: 1 + triple }));
    const slower = drift.map(({ triple, value }) => ({ triple, value: value * 1.5 }));
    expect(pairedRatio(slower, drift)).toMatchObject({ median: 1.5, q1: 1.5, q3: 1.5, count: 10 });
  });

  test('leave out blocks without a neighbour', () => {
    expect(pairedRatio([{ triple: 1, value: 2 }], [{ triple: 2, value: 1 }])).toBeNull();
  });

  test.each([
    [1.04, 0, 1.0, 'ok'],
    [1.06, 0, 1.0, 'short'],
    [1.04, 0, 1.06, 'no verdict'],
    [1.04, 0, 0.94, 'no verdict'],
    [1.04, 0.02, 1.0, 'no verdict'],
    [1.06, 0.02, 1.0, 'no verdict'],
    [1.04, 0, 1.02, 'no verdict'],
    [1.01, 0.02, 1.01, 'ok'],
    [1.2, 0.02, 1.01, 'short'],
    [Number.NaN, 0, 1.0, 'no verdict'],
    [1.0, 0, Number.NaN, 'no verdict'],
  ])('%d, give or take %d, beside an A/A of %d: %s', (value, uncertainty, control, verdict) => {
    expect(verdictOf({ value, uncertainty, control }, 1.05, 'at most')).toBe(verdict);
  });

  test('that are to be at least so much', () => {
    const exact = { uncertainty: 0, control: 1 };
    expect(verdictOf({ value: 4.1, ...exact }, 4, 'at least')).toBe('ok');
    expect(verdictOf({ value: 3.9, ...exact }, 4, 'at least')).toBe('short');
  });

  test('are the more exact the more there are, and the less they differ', () => {
    const spread = { median: 1, q1: 0.9, q3: 1.1, count: 25 };
    expect(uncertaintyOf(spread)).toBeCloseTo((1.57 * 0.2) / 5, 12);
    expect(uncertaintyOf({ ...spread, count: 100 })).toBeCloseTo((1.57 * 0.2) / 10, 12);
    expect(uncertaintyOf({ ...spread, q1: 1, q3: 1 })).toBe(0);
  });

  test('of few values are the less exact by Student’s t, and of one not at all', () => {
    const spread = { median: 1, q1: 0.9, q3: 1.1, count: 3 };
    expect(uncertaintyOf(spread)).toBeCloseTo(((1.57 * 0.2) / Math.sqrt(3)) * (4.303 / 1.96), 12);
    const one = { median: 1, q1: 1, q3: 1, count: 1 };
    expect(uncertaintyOf(one)).toBe(Number.POSITIVE_INFINITY);
    expect(verdictOf({ value: 1, uncertainty: uncertaintyOf(one), control: 1 }, 1.05, 'at most')).toBe(
      'no verdict',
    );
  });
});
