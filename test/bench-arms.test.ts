import { describe, expect, test } from 'vitest';
import { pairedRatio, verdictOf } from '../bench/arms.ts';
import { ARMS, blockAt, drawTimeline, rhythmOf } from '../bench/timeline.ts';

const NS_PER_MS = 1e6;

describe.each([0, 1, 10, 30, 100])('the timeline of a hold of %d ms', (holdMs) => {
  const timeline = drawTimeline({ startNs: 1e9, durationMs: 3_000, holdMs, seed: 7 });
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
    [1.04, 1.0, 'ok'],
    [1.06, 1.0, 'short'],
    [1.04, 1.06, 'no verdict'],
    [1.04, 0.94, 'no verdict'],
    [Number.NaN, 1.0, 'no verdict'],
  ])('%d beside an A/A of %d: %s', (value, control, verdict) => {
    expect(verdictOf(value, 1.05, 'at most', control)).toBe(verdict);
  });
});
