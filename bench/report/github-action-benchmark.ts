// Figures as github-action-benchmark reads them: its tools `customSmallerIsBetter` and `customBiggerIsBetter`, a file each.
import { CONTROL_TOLERANCE } from '../arms';
import type { Figure } from './figure';
import { digits } from './format';

export interface ActionEntry {
  name: string;
  unit: string;
  value: number;
  /** Quartiles, if the figure has any. */
  range?: string;
  /** Bar, verdict and A/A control, a line each. */
  extra?: string;
}

/** Figures that are better the smaller, or the larger, they are; but for those that tell of the machine rather than of the code. */
export function actionEntries(figures: readonly Figure[], better: Figure['better']): ActionEntry[] {
  return figures.flatMap((figure) => {
    const { name, unit, value, spread } = figure;
    if (value === null || figure.better !== better || tellsOfTheMachine(figure)) return [];
    const extra = extraOf(figure);
    return [
      {
        name,
        unit,
        value,
        ...(spread === null ? {} : { range: `${digits(spread.q1)} to ${digits(spread.q3)}` }),
        ...(extra === '' ? {} : { extra }),
      },
    ];
  });
}

/** Two identical arms differed in that run; or there is no verdict, and nothing says why. An alert about it would be a false one. */
function tellsOfTheMachine({ control, verdict }: Figure): boolean {
  return control === null ? verdict === 'no verdict' : !(Math.abs(control - 1) <= CONTROL_TOLERANCE);
}

function extraOf({ bar, better, verdict, control }: Figure): string {
  return [
    ...(bar === null ? [] : [`bar: at ${better === 'smaller' ? 'most' : 'least'} ${digits(bar)}`]),
    ...(verdict === 'none' ? [] : [`verdict: ${verdict}`]),
    ...(control === null ? [] : [`A/A: ${digits(control)}`]),
  ].join('\n');
}
