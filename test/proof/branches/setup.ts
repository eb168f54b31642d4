// For vitest: tests of the kernel run on the lowered module, if the part of the proof that counts its branches says so.
import { afterAll } from 'vitest';
import { countBranches } from './lowered.ts';

const directory = process.env.PINFOLD_BRANCHES;
if (directory) afterAll(countBranches(directory));
