import { describe, expect, test } from 'vitest';
import { pairedRatio, uncertaintyOf, verdictOf } from '../bench/arms.ts';
import { ARMS, blockAt, drawTimeline, rhythmOf } from '../bench/timeline.ts';

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
});
