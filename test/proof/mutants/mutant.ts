// A mistake planted on purpose, and by which check it is expected to be found.

/** One place of a source to change, by path behind the root; `from` must occur there once. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A check that code must pass. */
export type Check =
  /** Every schedule of a scenario of the explorer, within a bound. `dies`: an actor that may die at any instant, once. */
  | {
      readonly by: 'explorer';
      readonly scenario: string;
      readonly preemptions: number;
      readonly dies?: string;
      /** Who recovers it may die too. */
      readonly undertaker?: boolean;
    }
  /** Every death of a scenario of test/kernel/scenarios.ts. */
  | { readonly by: 'deaths'; readonly scenario: string; readonly pinnedDirty?: 'keep' | 'redirty' }
  /** The sections of the compiled kernel, and what its code must not contain. */
  | { readonly by: 'sections' }
  /** A test file, in a copy of the project. */
  | { readonly by: 'test'; readonly file: string };

export interface Mutant {
  readonly name: string;
  /** The rule that it breaks: section of the design, and the rule in a few words. */
  readonly rule: string;
  /** Invariants of the design's section 9 that fall with the rule. */
  readonly breaks: readonly number[];
  readonly changes: readonly Change[];
  /** Where it is expected to be found: tried in this order, then everything else. */
  readonly found: readonly Check[];
  /** Why no check can find it: it behaves as the original does. Not counted as killed. */
  readonly equivalent?: string;
}

export const explored = (scenario: string, preemptions: number, dies?: string): Check => ({
  by: 'explorer',
  scenario,
  preemptions,
  ...(dies === undefined ? {} : { dies }),
});
export const tested = (file: string): Check => ({ by: 'test', file });
export const sections: Check = { by: 'sections' };

export const change = (file: string, from: string, to: string): Change => ({ file, from, to });

/** In words that tell one check from all others. */
export function nameOf(check: Check): string {
  switch (check.by) {
    case 'explorer': {
      const death = check.dies === undefined ? '' : `, ${check.dies} dies`;
      const second = check.undertaker ? ', and who recovers it' : '';
      return `explorer: ${check.scenario}, ${check.preemptions} preemptions${death}${second}`;
    }
    case 'deaths':
      return `deaths: ${check.scenario}${check.pinnedDirty === undefined ? '' : `, ${check.pinnedDirty}`}`;
    case 'sections':
      return 'sections of the compiled kernel';
    case 'test':
      return `test: ${check.file}`;
  }
}

/** A source with the changes that concern it. */
export function planted(text: string, file: string, changes: readonly Change[]): string {
  let result = text;
  for (const { from, to } of changes.filter((one) => one.file === file)) {
    const pieces = result.split(from);
    if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${from}`);
    result = pieces.join(to);
  }
  return result;
}
