// Rows of the tables: what was measured of each arm, divided by what was measured of pinfold beside it.
import { CONTROL_TOLERANCE, uncertaintyOf } from '../../arms';
import { ARMS, type Arm, againstOf, type Measure } from '../../roles/peers/arms';
import type { Checked } from '../../roles/peers/messages';
import { median, type Spread, spreadOf } from '../../statistics';
import type { PeerRow } from './shape';

/** By arm: one figure a round; null where a round gave none. Figures at the same index are neighbours in time. */
export type Samples = Map<string, (number | null)[]>;

/** By arm: what was checked of it, all told. */
export class Truths {
  readonly #of = new Map<string, Checked>();

  add(arm: string, { checked, wrong, plantedSeen }: Checked): void {
    const before = this.of(arm);
    this.#of.set(arm, {
      checked: before.checked + checked,
      wrong: before.wrong + wrong,
      // Each check has its own planted page: all of them must have been seen.
      plantedSeen: plantedSeen && (before.checked === 0 || before.plantedSeen),
    });
  }

  of(arm: string): Checked {
    return this.#of.get(arm) ?? { checked: 0, wrong: 0, plantedSeen: false };
  }
}

export const emptySamples = (arms: readonly Arm[]): Samples => new Map(arms.map(({ id }) => [id, []]));

/** The arms that take part in a measure, of those that are there. */
export const armsOf = (arms: readonly Arm[], measure: Measure): Arm[] =>
  arms.filter(({ calls }) => calls[measure] !== undefined);

export function rowsOf(measure: Measure, arms: readonly Arm[], samples: Samples, truths: Truths): PeerRow[] {
  const ratiosOf = ({ id }: Pick<Arm, 'id'>, against: string): number[] => {
    const under = samples.get(against) ?? [];
    return (samples.get(id) ?? []).flatMap((value, round) => {
      const beside = under[round] ?? null;
      return value === null || beside === null || beside === 0 ? [] : [value / beside];
    });
  };
  return armsOf(arms, measure).map((arm) => {
    const values = (samples.get(arm.id) ?? []).filter((value) => value !== null);
    const against = againstOf(arm, measure);
    const ratios = against === null ? [] : ratiosOf(arm, against);
    const again = ARMS.find((other) => other.again && other.against === against);
    const controls = against === null || again === undefined ? [] : ratiosOf(again, against);
    const spread = spreadOf(ratios);
    const control = controls.length === 0 ? null : median(controls);
    const compared = ratios.length > 0;
    return {
      arm: arm.id,
      name: arm.name,
      calls: arm.calls[measure] ?? '',
      value: values.length === 0 ? null : median(values),
      ratio: compared ? spread.median : null,
      q1: compared ? spread.q1 : null,
      q3: compared ? spread.q3 : null,
      control,
      verdict:
        !compared || arm.again || arm.store === 'none'
          ? 'none'
          : verdictOf(spread, control, offAtLeast(measure, spread)),
      latency: null,
      flushes: null,
      truth: truths.of(arm.id),
    };
  });
}

/**
 * Who needs less, by more than identical arms may differ. Nobody is said to if those did differ by more, nor if the ratio is less exact than
 * that, by its own spread or by what they differed: another run might then say otherwise.
 */
export function verdictOf(
  ratio: Spread,
  control: number | null,
  uncertainty = uncertaintyOf(ratio),
): PeerRow['verdict'] {
  if (control === null || Math.abs(control - 1) > CONTROL_TOLERANCE) return 'no verdict';
  const off = Math.max(uncertainty, ratio.median * Math.abs(control - 1));
  const least = whoNeedsLess(ratio.median - off);
  return least === whoNeedsLess(ratio.median + off) ? least : 'no verdict';
}

/** Memory is measured once, and no timing: it is given as much as identical arms may differ. */
function offAtLeast(measure: Measure, ratio: Spread): number {
  return measure === 'memory' ? ratio.median * CONTROL_TOLERANCE : uncertaintyOf(ratio);
}

function whoNeedsLess(ratio: number): 'pinfold' | 'peer' | 'level' {
  if (Math.abs(ratio - 1) <= CONTROL_TOLERANCE) return 'level';
  return ratio > 1 ? 'pinfold' : 'peer';
}
