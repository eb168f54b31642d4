// What the explorer's workers are asked, and what they answer.
import type { Bounds, Count } from './machine.ts';

/** One search of one scenario. */
export interface Job {
  readonly scenario: string;
  /** Who may die: an actor, and after it who recovers it. */
  readonly actor?: string;
  readonly undertaker?: boolean;
  /** All schedules within the bounds; or random ones. */
  readonly bounds?: Bounds;
  readonly seed?: number;
  /** When it has to end, in seconds. */
  readonly seconds: number;
}

export interface Answer {
  readonly job: Job;
  readonly count: Count;
  readonly seconds: number;
  readonly violation?: { readonly what: string; readonly replay: string };
  /** Branches of the lowered kernel that were taken. */
  readonly branches: Uint8Array;
}

/** 'pin-reclaim', 'pin-reclaim, pinner dies', … */
export function nameOf({ scenario, actor, undertaker }: Job): string {
  if (actor === undefined) return scenario;
  return `${scenario}, ${actor} dies${undertaker ? ', and who recovers it' : ''}`;
}

/** How a schedule is found again: of a search (by its choices), or of a seed. The words where threads meet decide what a step is. */
export interface Found {
  readonly job: Job;
  readonly meeting: readonly number[];
  readonly choices?: readonly number[];
  readonly random?: { readonly seed: number; readonly depth: number; readonly changes: number };
}

const numbers = (text: string) =>
  text === '' ? [] : text.split('.').map((part) => Number.parseInt(part, 36));

/** As text for a command line. Choices: how many, then where they are not the first. */
export function encode({ job, meeting, choices, random }: Found): string {
  const sorted = [...meeting].sort((a, b) => a - b);
  const words = sorted.map((word, n) => (word - (n > 0 ? sorted[n - 1]! : 0)).toString(36)).join('.');
  const who = [job.scenario, job.actor ?? '', job.undertaker ? 'u' : ''].join('/');
  if (random) return [who, 'r', `${random.seed}.${random.depth}.${random.changes}`, words].join(':');
  const { preemptions, deaths } = job.bounds!;
  const others = choices!.flatMap((choice, n) => (choice === 0 ? [] : [n.toString(36), choice.toString(36)]));
  return [who, `p${preemptions}d${deaths}`, [choices!.length.toString(36), ...others].join('.'), words].join(
    ':',
  );
}

export function decode(text: string): Found {
  const [who, how, which, words] = text.split(':');
  if (words === undefined) throw new Error(`'${text}' is no schedule of the explorer`);
  const [scenario, actor, undertaker] = who!.split('/');
  let last = 0;
  const meeting = numbers(words).map((delta) => {
    last += delta;
    return last;
  });
  const mortals = actor ? { actor, undertaker: undertaker === 'u' } : {};
  const base = { scenario: scenario!, ...mortals, seconds: 0 };
  if (how === 'r') {
    const [seed, depth, changes] = which!.split('.').map(Number) as [number, number, number];
    return { job: { ...base, seed }, meeting, random: { seed, depth, changes } };
  }
  const [, preemptions, deaths] = /^p(\d+)d(\d+)$/.exec(how!)!.map(Number) as [number, number, number];
  const [length, ...others] = numbers(which!);
  const choices = new Array<number>(length!).fill(0);
  for (let n = 0; n < others.length; n += 2) choices[others[n]!] = others[n + 1]!;
  return { job: { ...base, bounds: { preemptions, deaths } }, meeting, choices };
}
