// One metric on trial: when enough is known to say that it is slower, and when that it is not.
//
// Code is guilty only if the whole interval of its median lies beyond the margin, twice: on the pairs that raised the suspicion and on new
// ones. Significance alone would fail good code (two processes of the same build differ by a per cent or two, significantly), and a
// margin alone would fail a machine that moved. Beside each pair runs one of two identical builds; while their median is not near 0,
// nothing is said.
import { createRandom } from '../random';
import { type Interval, intervalOf } from './bootstrap';

/** Logarithms of ratios, positive where the second is worse: head ÷ base, and base again ÷ base. */
export interface Pair {
  ratio: number;
  control: number;
}

export interface Limits {
  /** Pairs before the first look, and between two looks. */
  least: number;
  step: number;
  /** Pairs after which it is decided, one way or the other. */
  most: number;
}

export const MARGIN_MAX = 10;

export type MetricVerdict = 'pass' | 'regression' | 'inconclusive';

export interface Finding {
  ratio: Interval;
  control: Interval;
}

export interface Judgement {
  verdict: MetricVerdict;
  /** A sentence. */
  why: string;
  /** From the pairs that were measured first, and from those of the confirming run: null if there was no suspicion. */
  first: Finding;
  confirming: Finding | null;
}

/** `slower`, `fine`: known. `open`: the interval has the margin in it. `moved`: the identical builds differ. */
export type Standing = 'slower' | 'fine' | 'open' | 'moved';

/** Identical builds may differ by so much of the margin. */
const CONTROL_SHARE = 0.5;
/** An interval that reaches so many margins far at the end says nothing, even around 0. */
const TOO_WIDE = 2;

export function standingOf({ ratio, control }: Finding, margin: number): Standing {
  const bound = Math.log1p(margin);
  if (!(Math.abs(control.median) <= CONTROL_SHARE * bound)) return 'moved';
  if (ratio.low > bound) return 'slower';
  return ratio.high < bound ? 'fine' : 'open';
}

export class Trial {
  readonly margin: number;
  readonly #limits: Limits;
  readonly #seed: number;
  #pairs: Pair[] = [];
  #suspected: Finding | undefined;
  #judgement: Judgement | undefined;

  /** `margin`: a share, 0.05 is 5%. */
  constructor(margin: number, limits: Limits, seed: number) {
    this.margin = margin;
    this.#limits = limits;
    this.#seed = seed;
  }

  /** Undefined: more pairs are needed. */
  get judgement(): Judgement | undefined {
    return this.#judgement;
  }

  /** Whether the pairs that are taken now are to confirm a suspicion. */
  get isConfirming(): boolean {
    return this.#suspected !== undefined;
  }

  add(pair: Pair): void {
    if (this.#judgement !== undefined) return;
    this.#pairs.push(pair);
    const { least, step, most } = this.#limits;
    const count = this.#pairs.length;
    if (count < least || ((count - least) % step !== 0 && count < most)) return;
    this.#look(count >= most);
  }

  /** There will be no more pairs. */
  end(): Judgement {
    if (this.#judgement === undefined) this.#look(true);
    return this.#judgement!;
  }

  #look(isLast: boolean): void {
    const finding = this.#finding();
    const standing = standingOf(finding, this.margin);
    const few = finding.ratio.count < this.#limits.least;
    if (few) {
      if (isLast)
        this.#judge(
          'inconclusive',
          `too little time: ${finding.ratio.count} of ${this.#limits.least} pairs`,
          finding,
        );
    } else if (this.#suspected === undefined) this.#lookFirst(finding, standing, isLast);
    else this.#lookAgain(finding, standing, isLast);
  }

  #lookFirst(finding: Finding, standing: Standing, isLast: boolean): void {
    switch (standing) {
      case 'slower':
        this.#suspected = finding;
        this.#pairs = [];
        return;
      case 'fine':
        this.#judge('pass', 'within the margin', finding);
        return;
      case 'moved':
        if (isLast) this.#judge('inconclusive', MOVED, finding);
        return;
      case 'open':
        if (isLast) this.#judgeOpen(finding);
    }
  }

  #judgeOpen(finding: Finding): void {
    const bound = Math.log1p(this.margin);
    if (finding.ratio.median > bound)
      this.#judge('inconclusive', 'perhaps beyond the margin, not surely', finding);
    else if (finding.ratio.high > TOO_WIDE * bound)
      this.#judge('inconclusive', 'too noisy: the interval is wider than the margin allows', finding);
    else this.#judge('pass', 'within the margin, though not all of its interval is', finding);
  }

  #lookAgain(finding: Finding, standing: Standing, isLast: boolean): void {
    switch (standing) {
      case 'slower':
        this.#judge('regression', 'beyond the margin, and so again when it was measured anew', finding);
        return;
      case 'fine':
        this.#judge('pass', 'a suspicion that was not confirmed', finding);
        return;
      default:
        if (isLast)
          this.#judge(
            'inconclusive',
            standing === 'moved' ? MOVED : 'a suspicion that could not be confirmed',
            finding,
          );
    }
  }

  #finding(): Finding {
    const random = createRandom(this.#seed);
    return {
      ratio: intervalOf(
        this.#pairs.map(({ ratio }) => ratio),
        random,
      ),
      control: intervalOf(
        this.#pairs.map(({ control }) => control),
        random,
      ),
    };
  }

  #judge(verdict: MetricVerdict, why: string, finding: Finding): void {
    const suspected = this.#suspected;
    this.#judgement = {
      verdict,
      why,
      first: suspected ?? finding,
      confirming: suspected === undefined ? null : finding,
    };
  }
}

const MOVED = 'the machine moved: two identical builds differ';
