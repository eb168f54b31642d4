// All mutants.
import type { Mutant } from '../mutant.ts';
import { dying } from './dying.ts';
import { pages } from './pages.ts';
import { replacement } from './replacement.ts';
import { runs } from './runs.ts';
import { updates } from './updates.ts';
import { writebacks } from './writeback.ts';

export const mutants: readonly Mutant[] = [
  ...pages,
  ...runs,
  ...replacement,
  ...updates,
  ...writebacks,
  ...dying,
];

const names = mutants.map(({ name }) => name);
const twice = names.find((name, n) => names.indexOf(name) !== n);
if (twice !== undefined) throw new Error(`two mutants are called ${twice}`);
