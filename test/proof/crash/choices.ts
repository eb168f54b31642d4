// Which of the legal states of a moment are looked at: the worst first, then some at random. They can be far too many: n
// pending writes of k sectors have 2^(nk).
import type { Random } from '../../storm/random.ts';
import type { Choice, Pending, Platter } from './platter.ts';

/** Why a state is looked at. */
export const KINDS = [
  'nothing unflushed',
  'everything',
  'all but one',
  'one alone',
  'size without data',
  'data without size',
  'one torn',
  'sampled',
] as const;
export type Kind = (typeof KINDS)[number];

/** Up to so many pending writes each is left out, and is there alone; of more, so many. */
const EACH_MOST = 12;
const SOME = 4;

const whole = ({ contents }: Pending) => (contents.length === 32 ? -1 : 2 ** contents.length - 1);

export interface Wanted {
  /** From which of the pending entries on tears are tried one by one: before, they were at an earlier moment. */
  readonly tearFrom: number;
  readonly samples: number;
}

/** Calls `look` for each, with a choice that is used again for the next. Stops when it returns false. */
export function* choices(
  platter: Platter,
  random: Random,
  { tearFrom, samples }: Wanted,
): Generator<readonly [Kind, Choice], undefined> {
  const { pending, sizes } = platter;
  const count = pending.length;
  const all = Int32Array.from(pending, whole);
  const masks = new Int32Array(count);
  const none = () => masks.fill(0);
  yield ['nothing unflushed', { sizes: 0, masks }];
  masks.set(all);
  yield ['everything', { sizes, masks }];
  if (count === 0) return;
  for (let given = sizes - 1; given >= 0; given--) yield ['data without size', { sizes: given, masks }];
  none();
  for (let given = 1; given <= sizes; given++) yield ['size without data', { sizes: given, masks }];
  for (const one of some(random, count)) {
    masks.set(all);
    masks[one] = 0;
    yield ['all but one', { sizes, masks }];
    none();
    masks[one] = all[one]!;
    for (const given of sizes > 0 ? [sizes, 0] : [0]) yield ['one alone', { sizes: given, masks }];
  }
  for (let one = tearFrom; one < count; one++) {
    for (const mask of tears(pending[one]!.contents.length)) {
      none();
      masks[one] = mask;
      yield ['one torn', { sizes, masks }];
      for (let n = 0; n < one; n++) masks[n] = all[n]!;
      yield ['one torn', { sizes, masks }];
    }
  }
  for (let n = 0; n < samples; n++) {
    for (let one = 0; one < count; one++)
      masks[one] = sampled(random, all[one]!, pending[one]!.contents.length);
    yield ['sampled', { sizes: random.below(sizes + 1), masks }];
  }
}

/** Each of so many, or of very many the first, the last and some: in a big file more are in doubt than can be gone through. */
function some(random: Random, count: number): Iterable<number> {
  const chosen = new Set<number>([0, count - 1]);
  if (count <= EACH_MOST) for (let n = 1; n < count; n++) chosen.add(n);
  else for (let n = 0; n < SOME; n++) chosen.add(random.below(count));
  return chosen;
}

/** Torn at each sector: what is before it, from it on, it alone, all but it. */
function* tears(sectors: number): Generator<number> {
  if (sectors < 2) return;
  const all = sectors === 32 ? -1 : 2 ** sectors - 1;
  for (let at = 0; at < sectors; at++) {
    const bit = 1 << at;
    if (at > 0) yield bit - 1;
    if (at > 0) yield all & ~(bit - 1);
    yield bit;
    yield all & ~bit;
  }
}

/** A write of which nothing is stable, all, or any part. */
function sampled(random: Random, all: number, sectors: number): number {
  const luck = random.below(4);
  if (luck === 0) return 0;
  if (luck === 1) return all;
  const bits = (random.below(0x10000) << 16) | random.below(0x10000);
  // Tears in runs are as likely as tears anywhere.
  return all & (luck === 2 ? bits : (1 << random.below(sectors)) - 1);
}
