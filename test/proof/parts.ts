import { branches } from './branches/index.ts';
import { crash } from './crash/index.ts';
import { explorer } from './explorer/index.ts';
import { ext4 } from './ext4/index.ts';
import { faults } from './faults/index.ts';
import { model } from './model/index.ts';
import { mutantsPart } from './mutants/index.ts';
import type { Part } from './part.ts';
import { storms } from './storms/index.ts';

/** In the order in which they run. */
export const parts: readonly Part[] = [explorer, branches, crash, faults, ext4, model, storms, mutantsPart];
