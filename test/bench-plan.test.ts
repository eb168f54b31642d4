import { describe, expect, test } from 'vitest';
import { planFsync, plannedSeconds, planScenarios } from '../bench/plan.ts';
import { SCENARIOS } from '../bench/scenarios/index.ts';
import { HOLD_SHAPES, PIN_SOURCES } from '../bench/schema.ts';

const HOLDS = [0, 1, 10, 100];

describe('cells of the fsync scenario', () => {
  const asked = { holdsMs: HOLDS, holdShapes: [...HOLD_SHAPES], pinSources: [...PIN_SOURCES] };
  const usual = { holdShape: 'fixed', pinSource: 'file' };

  test('are all policies at all holds, and a sample of other shapes and sources', () => {
    const cells = planFsync(60_000, { ...asked, breadth: 'sample' });
    const isUsual = (cell: { holdShape: string; pinSource: string }) =>
      cell.holdShape === usual.holdShape && cell.pinSource === usual.pinSource;
    expect(cells.filter(isUsual)).toHaveLength(5 * HOLDS.length);
    const sample = cells.filter((cell) => !isUsual(cell));
    expect(sample.every(({ holdMs }) => holdMs === 10)).toBe(true);
    expect(new Set(sample.map(({ holdShape }) => holdShape))).toEqual(new Set(HOLD_SHAPES));
    expect(new Set(sample.map(({ pinSource }) => pinSource))).toEqual(new Set(PIN_SOURCES));
    const ms = (of: typeof cells) => of.reduce((sum, { durationMs }) => sum + durationMs, 0);
    expect(ms(sample)).toBeLessThan(0.25 * ms(cells));
    expect(ms(cells)).toBeLessThan(60_000);
  });

  test('are of the hold that is nearest to the sample, and none without a hold', () => {
    const sampled = (holdsMs: number[]) =>
      planFsync(60_000, { ...asked, holdsMs, breadth: 'sample' })
        .filter(({ holdShape }) => holdShape === 'heavy')
        .map(({ holdMs }) => holdMs);
    expect(sampled([0, 1, 50])).toEqual([50]);
    expect(sampled([0])).toEqual([]);
  });

  test('are no sample where only one shape and one source are asked for', () => {
    const one = { holdsMs: [5], holdShapes: [HOLD_SHAPES[1]], pinSources: [PIN_SOURCES[1]] };
    const cells = planFsync(10_000, { ...one, breadth: 'sample' });
    expect(cells).toHaveLength(5);
    expect(cells.every(({ holdShape }) => holdShape === HOLD_SHAPES[1])).toBe(true);
  });

  test('of a full run are each shape and source under bounce and block at one hold, and all policies of the first at all', () => {
    const cells = planFsync(150_000, { ...asked, breadth: 'one hold' });
    expect(cells.filter((cell) => cell.holdShape === 'fixed' && cell.pinSource === 'file')).toHaveLength(
      5 * HOLDS.length,
    );
    for (const holdShape of HOLD_SHAPES) {
      for (const pinSource of PIN_SOURCES) {
        const own = cells.filter((cell) => cell.holdShape === holdShape && cell.pinSource === pinSource);
        const policies = own.map(({ policy, pinnedDirty }) => `${policy},${pinnedDirty}`);
        for (const policy of ['bounce,keep', 'bounce,redirty', 'block,keep'])
          expect(policies).toContain(policy);
        if (holdShape !== 'fixed' || pinSource !== 'file')
          expect(own.every(({ holdMs }) => holdMs === 10)).toBe(true);
      }
    }
    // Long enough for figures.
    expect(Math.min(...cells.map(({ durationMs }) => durationMs))).toBeGreaterThan(500);
  });

  test('are the whole matrix: each shape and source under bounce and block, a control of each source', () => {
    const cells = planFsync(130_000, { ...asked, breadth: 'every hold' });
    const names = cells.map(({ policy, pinnedDirty, holdMs, holdShape, pinSource }) =>
      [policy, pinnedDirty, holdMs, holdShape, pinSource].join(),
    );
    expect(new Set(names).size).toBe(names.length);
    for (const holdMs of [1, 10, 100]) {
      for (const shape of HOLD_SHAPES) {
        for (const source of PIN_SOURCES) {
          for (const policy of ['bounce,keep', 'bounce,redirty', 'block,keep'])
            expect(names).toContain([policy, holdMs, shape, source].join());
        }
      }
    }
    for (const source of PIN_SOURCES) expect(names).toContain(`skip,keep,10,fixed,${source}`);
    // Nothing can be drawn or stored in no time.
    expect(names.filter((name) => /,0,(exponential|heavy),|,0,fixed,store/.test(name))).toEqual([]);
  });
});

describe('the time of a run', () => {
  const usual = SCENARIOS.filter(({ share }) => share > 0);

  test('is divided by what scenarios are worth', () => {
    const plan = planScenarios(usual, 92, false);
    expect(plan.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(85_000);
    expect(plannedSeconds(usual, 92, false)).toBeLessThan(92.01);
  });

  test('of a full run has a part for every scenario', () => {
    expect(planScenarios(SCENARIOS, 360, true).every((ms) => ms >= 2_500)).toBe(true);
    expect(plannedSeconds(SCENARIOS, 360, true)).toBeLessThan(360.01);
  });

  test('goes to a scenario that was asked for by name, though it has none by default', () => {
    const memory = SCENARIOS.filter(({ name }) => name === 'memory');
    expect(planScenarios(memory, 40, false)).toEqual([38_000]);
  });
});
