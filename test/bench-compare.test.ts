// When a change between two runs is more than chance.
import { describe, expect, test } from 'vitest';
import { comparedFigure } from '../bench/compare.ts';
import type { Figure } from '../bench/report/figure.ts';

function figure(value: number | null, parts: Partial<Figure> = {}): Figure {
  return {
    name: 'a figure',
    value,
    unit: '×',
    better: 'smaller',
    spread: null,
    control: null,
    bar: null,
    verdict: 'none',
    ...parts,
  };
}

const within = (share: number) => (value: number) => ({ q1: value * (1 - share), q3: value * (1 + share) });
const narrow = within(0.01);
const wide = within(0.2);

describe('a change is more than chance', () => {
  test.each([
    ['narrow quartiles apart', figure(1, { spread: narrow(1) }), figure(1.1, { spread: narrow(1.1) }), true],
    [
      'one wide: it has the other',
      figure(1, { spread: wide(1) }),
      figure(1.1, { spread: narrow(1.1) }),
      false,
    ],
    ['the other wide', figure(1, { spread: narrow(1) }), figure(1.1, { spread: wide(1.1) }), false],
    ['beyond both A/A', figure(1, { control: 1.02 }), figure(1.1, { control: 0.97 }), true],
    ['within A/A of A', figure(1, { control: 1.12 }), figure(1.1, { control: 1 }), false],
    ['within A/A of B, the other way', figure(1, { control: 1 }), figure(1.1, { control: 0.9 }), false],
    [
      'beyond quartiles, within A/A',
      figure(1, { spread: narrow(1), control: 1.2 }),
      figure(1.1, { spread: narrow(1.1), control: 1 }),
      false,
    ],
    ['the same value', figure(1, { control: 1 }), figure(1, { control: 1 }), false],
    ['only one has quartiles', figure(1, { spread: narrow(1) }), figure(1.1), true],
    ['neither has anything to tell by', figure(1), figure(9), null],
    ['not measured in one', figure(null, { control: 1 }), figure(1, { control: 1 }), null],
  ])('%s', (_, a, b, beyond) => {
    expect(comparedFigure(a, b).beyond).toBe(beyond);
    expect(comparedFigure(b, a).beyond).toBe(beyond);
  });
});

test.each([
  [2, 3, 1.5],
  [2, 1, 0.5],
  [0, 1, null],
  [null, 1, null],
  [1, null, null],
])('from %j to %j the change is %j', (a, b, change) => {
  expect(comparedFigure(figure(a), figure(b)).change).toBe(change);
});

test.each([
  ['ok', 'ok', 'agree'],
  ['short', 'short', 'agree'],
  ['ok', 'short', 'differ'],
  ['ok', 'no verdict', 'open'],
  ['no verdict', 'no verdict', 'open'],
  ['none', 'ok', 'open'],
  ['none', 'none', 'no bar'],
] as const)('%s beside %s: %s', (a, b, verdicts) => {
  expect(comparedFigure(figure(1, { verdict: a }), figure(1, { verdict: b })).verdicts).toBe(verdicts);
  expect(comparedFigure(figure(1, { verdict: b }), figure(1, { verdict: a })).verdicts).toBe(verdicts);
});
