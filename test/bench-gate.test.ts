// The gate's judgement: statistics over known data, when it stops, what it says.
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { intervalOf } from '../bench/gate/bootstrap.ts';
import { compared } from '../bench/gate/commands.ts';
import { type Baseline, baselineOf, compareCounters, countersTable } from '../bench/gate/counters.ts';
import { runGate } from '../bench/gate/gate.ts';
import { appendHistory, historyLine, readHistory } from '../bench/gate/history.ts';
import { GATE_METRICS } from '../bench/gate/metrics.ts';
import { COMMENT_MARK, gateBlocks, gateMarkdown, percent } from '../bench/gate/report.ts';
import {
  GATE_RESULT,
  GATE_SCHEMA,
  GATE_VERSION,
  type GatedMetric,
  type GateResult,
  verdictOfAll,
} from '../bench/gate/result.ts';
import {
  parseSample,
  SAMPLE_SCHEMA,
  SAMPLE_VERSION,
  type Sample,
  type SampleMetric,
} from '../bench/gate/sample.ts';
import type { PairSource } from '../bench/gate/source.ts';
import { type Pair, standingOf, Trial } from '../bench/gate/trial.ts';
import { createRandom } from '../bench/random.ts';
import { trendHtml } from '../bench/report/html/trend.ts';
import { inTerminal } from '../bench/report/terminal.ts';
import { problemsOf } from '../bench/shape.ts';
import { testDirectory } from './support/directory.ts';
import { root } from './support/root.ts';

const LIMITS = { least: 8, step: 4, most: 24 };

describe('the interval of a median', () => {
  test('holds the median of known data, inside their range, and is the same for the same seed', () => {
    const values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
    const interval = intervalOf(values, createRandom(1));
    expect(interval).toMatchObject({ median: 4, count: 11 });
    expect(interval.low).toBeGreaterThanOrEqual(1);
    expect(interval.low).toBeLessThan(4);
    expect(interval.high).toBeGreaterThan(4);
    expect(interval.high).toBeLessThanOrEqual(9);
    expect(intervalOf(values, createRandom(1))).toEqual(interval);
  });

  test('is a point where all values are the same, and nothing without values', () => {
    expect(intervalOf([2, 2, 2], createRandom(1))).toEqual({ median: 2, low: 2, high: 2, count: 3 });
    expect(intervalOf([], createRandom(1))).toMatchObject({ low: Number.NaN, count: 0 });
  });

  test('covers the true median nearly always', () => {
    const random = createRandom(5);
    const normal = () => Array.from({ length: 12 }, random).reduce((sum, each) => sum + each) - 6;
    let covered = 0;
    for (let n = 0; n < 200; n++) {
      const { low, high } = intervalOf(Array.from({ length: 16 }, normal), createRandom(n + 1));
      if (low <= 0 && 0 <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(192);
  });
});

/** Pairs around a change, as shares, with noise of so much. */
function pairs(change: number, noise: number, seed: number, control = 0): () => Pair {
  const random = createRandom(seed);
  const jitter = () => noise * (random() + random() - 1);
  return () => ({ ratio: Math.log1p(change) + jitter(), control: Math.log1p(control) + jitter() });
}

function judged(margin: number, next: () => Pair, most = 200) {
  const trial = new Trial(margin, LIMITS, 1);
  let count = 0;
  for (; trial.judgement === undefined && count < most; count++) trial.add(next());
  return { ...trial.end(), count };
}

describe('a metric on trial', () => {
  test('that is clearly the same passes at the first look', () => {
    expect(judged(0.05, pairs(0, 0.01, 1))).toMatchObject({ verdict: 'pass', count: 8, confirming: null });
  });

  test('that is clearly faster passes, too', () => {
    expect(judged(0.05, pairs(-0.4, 0.01, 1))).toMatchObject({ verdict: 'pass', count: 8 });
  });

  test('that is clearly slower fails only after as many new pairs', () => {
    const found = judged(0.05, pairs(0.1, 0.01, 1));
    expect(found).toMatchObject({ verdict: 'regression', count: 16 });
    expect(Math.expm1(found.first.ratio.median)).toBeCloseTo(0.1, 2);
    expect(Math.expm1(found.confirming!.ratio.median)).toBeCloseTo(0.1, 2);
  });

  test('whose suspicion is not confirmed passes', () => {
    const slow = pairs(0.1, 0.01, 1);
    const same = pairs(0, 0.01, 2);
    let n = 0;
    expect(judged(0.05, () => (n++ < 8 ? slow() : same()))).toMatchObject({
      verdict: 'pass',
      why: 'a suspicion that was not confirmed',
      count: 16,
    });
  });

  test('beside identical builds that differ is inconclusive, however slow it is', () => {
    expect(judged(0.05, pairs(0.3, 0.01, 1, 0.1))).toMatchObject({ verdict: 'inconclusive', count: 24 });
    expect(judged(0.05, pairs(0, 0.01, 1, 0.1))).toMatchObject({ verdict: 'inconclusive', count: 24 });
  });

  test('at its margin is inconclusive after the most pairs, or passes where the median is within', () => {
    const around = (...changes: number[]) => {
      let n = 0;
      return () => ({ ratio: Math.log1p(changes[n++ % changes.length]), control: 0 });
    };
    expect(judged(0.05, around(0.01, 0.06, 0.08))).toMatchObject({
      verdict: 'inconclusive',
      why: 'perhaps beyond the margin, not surely',
      count: 24,
    });
    expect(judged(0.05, around(-0.02, 0.03, 0.08))).toMatchObject({
      verdict: 'pass',
      why: 'within the margin, though not all of its interval is',
      count: 24,
    });
  });

  test('that is too noisy is inconclusive', () => {
    expect(judged(0.05, pairs(0, 0.8, 1)).verdict).toBe('inconclusive');
  });

  test('without time for enough pairs is inconclusive', () => {
    expect(judged(0.05, pairs(0.5, 0.01, 1), 5)).toMatchObject({
      verdict: 'inconclusive',
      why: 'too little time: 5 of 8 pairs',
    });
    expect(judged(0.05, pairs(0.5, 0.01, 1), 10)).toMatchObject({ verdict: 'inconclusive' });
    expect(new Trial(0.05, LIMITS, 1).end().verdict).toBe('inconclusive');
  });

  test('raises no false alarm in many trials of the same code, and finds what is twice its margin', () => {
    const verdicts = (change: number) =>
      Array.from({ length: 100 }, (_, n) => judged(0.05, pairs(change, 0.08, n + 1)).verdict);
    expect(verdicts(0)).not.toContain('regression');
    expect(verdicts(0.13).filter((verdict) => verdict === 'regression').length).toBeGreaterThanOrEqual(95);
  });

  test('stands as its interval does', () => {
    const at = (low: number, median: number, high: number) => ({ low, median, high, count: 8 });
    const control = at(-0.01, 0, 0.01);
    expect(standingOf({ ratio: at(0.06, 0.07, 0.08), control }, 0.05)).toBe('slower');
    expect(standingOf({ ratio: at(0.04, 0.07, 0.08), control }, 0.05)).toBe('open');
    expect(standingOf({ ratio: at(0.01, 0.02, 0.04), control }, 0.05)).toBe('fine');
    expect(standingOf({ ratio: at(0.06, 0.07, 0.08), control: at(0.02, 0.03, 0.04) }, 0.05)).toBe('moved');
    expect(
      standingOf({ ratio: at(0.06, 0.07, 0.08), control: at(Number.NaN, Number.NaN, Number.NaN) }, 0.05),
    ).toBe('moved');
  });
});

describe('the loop', () => {
  const sourceOf = (changes: Record<string, number>, log: string[] = []): PairSource => {
    const next = new Map(
      Object.entries(changes).map(([name, change], n) => [name, pairs(change, 0.01, n + 1)]),
    );
    return {
      async sample(load) {
        log.push(load);
        const pair = next.get(load)!();
        return {
          figures: [{ name: load, unit: 'ns', better: 'smaller', base: 10, head: 11, pair }],
          exact: [],
          missing: [],
        };
      },
      close() {},
    };
  };
  const plan = {
    isWanted: () => true,
    marginOf: () => 0.05,
    limits: LIMITS,
    durationMs: 60_000,
    seed: 1,
    isStopped: () => false,
  };

  test('takes metrics in turns, and goes on only with those that are open', async () => {
    const log: string[] = [];
    const { metrics } = await runGate({
      ...plan,
      source: sourceOf({ same: 0, slow: 0.2 }, log),
      loads: ['same', 'slow'],
    });
    expect(metrics.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['same', 'pass'],
      ['slow', 'regression'],
    ]);
    expect(log.slice(0, 4)).toEqual(['same', 'slow', 'same', 'slow']);
    expect(log.filter((load) => load === 'same')).toHaveLength(8);
    expect(log.filter((load) => load === 'slow')).toHaveLength(16);
  });

  test('ends when its time is over, after a pair of each', async () => {
    const { metrics } = await runGate({
      ...plan,
      durationMs: 0,
      source: sourceOf({ a: 0, b: 0 }),
      loads: ['a', 'b'],
    });
    expect(metrics.map(({ verdict, worse }) => [verdict, worse?.pairs])).toEqual([
      ['inconclusive', 1],
      ['inconclusive', 1],
    ]);
  });
});

const metric = (name: string, value: number, parts: Partial<SampleMetric> = {}): SampleMetric => ({
  name,
  value,
  unit: 'ms',
  better: 'smaller',
  exact: false,
  ...parts,
});
const sample = (...metrics: SampleMetric[]): Sample => ({
  schema: SAMPLE_SCHEMA,
  version: SAMPLE_VERSION,
  metrics,
});

describe('samples of commands', () => {
  test('become pairs in which above 0 is worse, whichever way a figure counts', () => {
    const rate = { better: 'larger', unit: 'ops/s' } as const;
    const { figures } = compared(
      sample(metric('time', 10), metric('rate', 100, rate)),
      sample(metric('time', 20), metric('rate', 50, rate)),
      sample(metric('time', 10), metric('rate', 200, rate)),
    );
    expect(figures.map(({ name, pair }) => [name, pair.ratio, pair.control])).toEqual([
      ['time', Math.log(2), 0],
      ['rate', Math.log(2), -Math.log(2)],
    ]);
  });

  test('of exact figures are refused if two runs of the base differ', () => {
    const exact = (value: number) => sample(metric('writes', value, { exact: true }));
    expect(compared(exact(3), exact(4), exact(3)).exact).toMatchObject([
      { name: 'writes', base: 3, head: 4 },
    ]);
    expect(() => compared(exact(3), exact(4), exact(5))).toThrow(
      "'writes' is said to be exact, and was 3 in one run of the base and 5",
    );
  });

  test('tell what one side lacks, and refuse what is no longer the same metric', () => {
    const a = sample(metric('old', 1), metric('both', 1));
    const b = sample(metric('new', 1), metric('both', 1));
    expect(compared(a, b, a).missing).toEqual([
      { name: 'old', side: 'head', why: 'it has printed no such metric' },
      { name: 'new', side: 'base', why: 'it has printed no such metric' },
    ]);
    expect(() =>
      compared(sample(metric('x', 1)), sample(metric('x', 1, { unit: 's' })), sample(metric('x', 1))),
    ).toThrow('has unit "ms" in the base and "s" in the head');
    expect(() => compared(sample(metric('x', 0)), sample(metric('x', 1)), sample(metric('x', 1)))).toThrow(
      "'x' is 0",
    );
  });

  test.each([
    ['no JSON', 'hello', 'has printed no JSON: "hello"'],
    ['another schema', '{"schema":"other"}', 'whose schema is "other"'],
    [
      'another version',
      JSON.stringify({ ...sample(metric('x', 1)), version: 2 }),
      'a sample of version 2; this pinfold-bench reads version 1',
    ],
    [
      'a field too many',
      JSON.stringify({ ...sample(metric('x', 1)), extra: 1 }),
      'extra is not part of the format',
    ],
    ['no metric', JSON.stringify(sample()), 'a sample without metrics'],
    ['one twice', JSON.stringify(sample(metric('x', 1), metric('x', 2))), "the metric 'x' twice"],
  ])('%s is refused', (_, text, message) => {
    expect(() => parseSample(text, 'it')).toThrow(message);
  });
});

const WORSE = { median: 1.12, low: 1.09, high: 1.14, pairs: 8 };
const gated = (name: string, parts: Partial<GatedMetric> = {}): GatedMetric => ({
  name,
  unit: 'ns',
  better: 'smaller',
  base: 25,
  head: 28,
  worse: WORSE,
  control: { median: 1.001, low: 0.99, high: 1.01, pairs: 8 },
  confirming: null,
  margin: 0.05,
  verdict: 'pass',
  why: 'within the margin',
  ...parts,
});
const result = (parts: Partial<GateResult> = {}): GateResult => ({
  schema: GATE_SCHEMA,
  version: GATE_VERSION,
  startedAt: '2026-01-02T03:04:05.000Z',
  durationMs: 60_000,
  verdict: 'pass',
  error: null,
  base: { name: 'main', revision: 'a'.repeat(40) },
  head: { name: 'HEAD', revision: 'b'.repeat(40) },
  seed: 1,
  machine: { cpu: 'A CPU', cores: 2, kernel: '6', node: '20.19.0', fileSystem: 'ext4', loadAverage: 0.5 },
  metrics: [gated('pin')],
  missing: [],
  ...parts,
});

describe('what it says', () => {
  const slow = result({
    verdict: 'regression',
    metrics: [
      gated('view'),
      gated('pin', {
        verdict: 'regression',
        confirming: { ...WORSE, median: 1.11 },
        why: 'beyond the margin',
      }),
    ],
  });

  test('its JSON is of the documented shape', () => {
    expect(problemsOf(JSON.parse(JSON.stringify(slow)), GATE_RESULT, 'result')).toEqual([]);
  });

  test('in the terminal', () => {
    const text = inTerminal(gateBlocks(slow));
    expect(text).toContain('gate: HEAD (bbbbbbbbbb) against main (aaaaaaaaaa)');
    expect(text).toMatch(
      /pin +25\.0 +28\.0 +ns +\+12\.0% +\+9\.0% … \+14\.0% +5\.00% +\+11\.0% +\+0\.1% +16 +regression +beyond the margin/,
    );
    expect(text).toContain('Verdict: REGRESSION.');
  });

  test('as Markdown, which a workflow finds again', () => {
    const text = gateMarkdown(slow);
    expect(text.startsWith(`${COMMENT_MARK}\n\n### Performance gate: REGRESSION\n\n`)).toBe(true);
    expect(text).toContain(
      '| pin | 25.0 | 28.0 | ns | +12.0% | +9.0% … +14.0% | 5.00% | +11.0% | +0.1% | 16 | **regression** | beyond the margin |',
    );
  });

  test('of an error, whose text can be anything', () => {
    const text = gateMarkdown(
      result({ verdict: 'error', error: 'it does not build:\n```\n<b>', metrics: [] }),
    );
    expect(text).toContain('````text\nit does not build:\n```\n<b>\n````');
    expect(text).not.toContain('| metric');
  });

  test('the verdict is the worst of all metrics; what the head lacks is an error', () => {
    const of = (...verdicts: GatedMetric['verdict'][]) =>
      verdictOfAll(
        verdicts.map((verdict) => gated('m', { verdict })),
        [],
      ).verdict;
    expect(of('pass', 'pass')).toBe('pass');
    expect(of('pass', 'inconclusive')).toBe('inconclusive');
    expect(of('inconclusive', 'regression')).toBe('regression');
    const why = 'it has printed no such metric';
    expect(verdictOfAll([gated('m')], [{ name: 'x', side: 'base', why }])).toEqual({
      verdict: 'pass',
      error: null,
    });
    expect(verdictOfAll([gated('m')], [{ name: 'x', side: 'head', why }])).toEqual({
      verdict: 'error',
      error: `the head has nothing to compare: x (${why})`,
    });
    expect(verdictOfAll([], []).verdict).toBe('error');
  });

  test('percentages', () => {
    expect([1, 1.126, 0.9].map(percent)).toEqual(['+0.0%', '+12.6%', '−10.0%']);
  });
});

describe('the history', () => {
  test('is read as it was written', () => {
    const file = join(testDirectory(), 'gates.jsonl');
    appendHistory(file, result());
    appendHistory(file, result({ verdict: 'inconclusive' }));
    expect(readHistory(file)).toEqual([
      historyLine(result()),
      historyLine(result({ verdict: 'inconclusive' })),
    ]);
  });

  test.each([
    ['no JSON', 'x', 'line 1 is no JSON'],
    ['something else', '{"a":1}', "line 1 is no line of a gate's history"],
    ['another version', JSON.stringify({ ...historyLine(result()), version: 7 }), 'line 1 is of version 7'],
    ['a broken line', JSON.stringify({ ...historyLine(result()), at: 3 }), 'line.at: 3 is not a string'],
  ])('%s is refused', (_, text, message) => {
    const file = join(testDirectory(), 'gates.jsonl');
    fs.writeFileSync(file, `${text}\n`);
    expect(() => readHistory(file)).toThrow(message);
  });

  test('as a page: a chart for each metric, what adds up, no address to fetch from', () => {
    const lines = [
      historyLine(result()),
      historyLine(result({ verdict: 'regression', metrics: [gated('pin'), gated('<i>', { worse: null })] })),
    ];
    const page = trendHtml(lines);
    expect(page.startsWith('<!doctype html>\n')).toBe(true);
    const charts = JSON.parse(/<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(page)![1]);
    expect(Object.keys(charts)).toEqual(['trend-1', 'trend-2']);
    const [{ values: all }, { values: each }] = charts['trend-1'].series as { values: number[] }[];
    expect(each.map((value) => value.toFixed(1))).toEqual(['12.0', '12.0']);
    expect(all.map((value) => value.toFixed(2))).toEqual(['12.00', '25.44']);
    expect(charts['trend-1'].x.names).toEqual(['bbbbbbbbbb', 'bbbbbbbbbb']);
    expect(charts['trend-2'].series).toHaveLength(1);
    expect(page).toContain('&lt;i&gt;');
    expect(page).not.toMatch(/<(script|link|img)[^>]+(src|href)=/);
  });
});

describe('exact figures', () => {
  const counted = (value: number, better: SampleMetric['better'] = 'smaller') =>
    metric('writes', value, { exact: true, better });
  const baseline = (value: number, slack = 0, better: SampleMetric['better'] = 'smaller'): Baseline => {
    const made = baselineOf(sample(counted(value, better)), undefined);
    return { ...made, counters: made.counters.map((counter) => ({ ...counter, slack })) };
  };
  const standing = (before: Baseline, now: Sample) =>
    compareCounters(before, now).map((each) => each.standing);

  test('are the same, better or worse, whichever way they count', () => {
    expect(standing(baseline(4), sample(counted(4)))).toEqual(['same']);
    expect(standing(baseline(4), sample(counted(5)))).toEqual(['worse']);
    expect(standing(baseline(4), sample(counted(3)))).toEqual(['better']);
    expect(standing(baseline(4, 0, 'larger'), sample(counted(3, 'larger')))).toEqual(['worse']);
  });

  test('may move within their slack, which an update keeps', () => {
    expect(standing(baseline(100, 0.05), sample(counted(105)))).toEqual(['moved']);
    expect(standing(baseline(100, 0.05), sample(counted(106)))).toEqual(['worse']);
    expect(baselineOf(sample(counted(106)), baseline(100, 0.05)).counters).toMatchObject([
      { value: 106, slack: 0.05 },
    ]);
  });

  test('that only one of the two has are told', () => {
    const compare = compareCounters(baseline(4), sample(metric('reads', 1, { exact: true })));
    expect(compare.map((each) => [each.name, each.standing])).toEqual([
      ['writes', 'gone'],
      ['reads', 'new'],
    ]);
    expect(inTerminal([countersTable(compare)])).toMatch(/reads +– +1 +ms +not in the baseline/);
  });

  test('and no others', () => {
    expect(() => compareCounters(baseline(4), sample(metric('time', 1)))).toThrow("'time' is not exact");
  });
});

test('docs/perf-ci.md has the margin of each metric', () => {
  const text = fs.readFileSync(join(root, 'docs/perf-ci.md'), 'utf8');
  for (const { name, margin } of GATE_METRICS) {
    const row = text
      .split('\n')
      .find((line) => line.startsWith('|') && line.split('|')[1].includes(`\`${name}\``));
    expect(row?.split('|')[2].trim(), name).toBe(`${100 * margin}%`);
  }
});
