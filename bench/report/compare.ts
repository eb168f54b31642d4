// A comparison of two reports, as tables.
import type { Agreement, ComparedFigure, Comparison, Side } from '../compare';
import { type Block, bad, type Cell, doubtful, good, heading, reading, table } from './blocks';
import { digits } from './format';

export function comparisonBlocks(comparison: Comparison): Block[] {
  const { a, b, warnings, figures, onlyInA, onlyInB } = comparison;
  return [
    heading('compare'),
    reading(`A: ${a.file}, ${a.startedAt}.`, `B: ${b.file}, ${b.startedAt}.`),
    ...(warnings.length === 0
      ? []
      : [
          table(
            [{ head: 'careful', words: true }],
            warnings.map((text) => [doubtful(text)]),
          ),
        ]),
    ...(figures.length === 0 ? [] : [figureTable(figures), figureReading()]),
    ...oneSided('A', onlyInA),
    ...oneSided('B', onlyInB),
  ];
}

/** What is to be known of all, in a line or two. */
export function comparisonClosing({ figures, counts, a, b }: Comparison): Cell[] {
  const changed = figures.filter(({ beyond }) => beyond === true).length;
  const judged = counts.agree + counts.differ;
  const lines: Cell[] = [`${figures.length} figures in both, ${changed} changed by more than chance.`];
  if (counts.differ > 0) lines.push(bad(`${counts.differ} of ${judged} verdicts differ.`));
  else if (judged > 0) lines.push(good(`All ${judged} verdicts agree.`));
  else lines.push(doubtful('There is no figure on which both have a verdict.'));
  if (counts.open > 0) lines.push(doubtful(`${counts.open} have no verdict in one of them, or in both.`));
  const broken = [a, b].map(({ failures }) => failures.length > 0);
  if (broken[0] !== broken[1])
    lines.push(
      bad(`Promises were broken in ${broken[0] ? 'A' : 'B'}, and held in ${broken[0] ? 'B' : 'A'}.`),
    );
  return lines;
}

function figureTable(figures: ComparedFigure[]): Block {
  return table(
    [
      { head: 'figure', words: true },
      { head: 'A' },
      { head: 'B' },
      { head: 'unit', words: true },
      { head: 'change' },
      { head: 'chance?', words: true },
      { head: 'A says', words: true },
      { head: 'B says', words: true },
      { head: 'verdicts', words: true },
    ],
    figures.map((figure) => [
      figure.name,
      digits(figure.a.value),
      digits(figure.b.value),
      figure.unit,
      changed(figure),
      chance(figure),
      said(figure.a),
      said(figure.b),
      AGREEMENT[figure.verdicts],
    ]),
  );
}

const AGREEMENT: Record<Agreement, Cell> = {
  agree: good('agree'),
  differ: bad('DIFFER'),
  open: doubtful('open'),
  'no bar': '–',
};

function figureReading(): Block {
  return reading(
    '"Change" is from A to B. It is no chance where each value lies outside the other\'s quartiles, and the two are farther apart than the identical arms (A/A) of either run; "–" where a figure has neither: times move from run to run.',
    'Verdicts differ where one is ok and the other short; they are open where one of the runs, or both, has none.',
  );
}

function changed({ change, better, beyond }: ComparedFigure): Cell {
  if (change === null) return '–';
  const percent = 100 * (change - 1);
  const text = `${percent > 0 ? '+' : ''}${percent.toFixed(Math.abs(percent) < 10 ? 1 : 0)}%`;
  if (beyond !== true) return text;
  return change > 1 === (better === 'larger') ? good(text) : bad(text);
}

function chance({ beyond }: ComparedFigure): string {
  return beyond === null ? '–' : beyond ? 'no' : 'yes';
}

const said = ({ verdict }: Side): string => (verdict === 'none' ? '–' : verdict);

function oneSided(side: string, names: string[]): Block[] {
  if (names.length === 0) return [];
  return [
    table(
      [{ head: `only in ${side}`, words: true }],
      names.map((name) => [name]),
    ),
  ];
}
