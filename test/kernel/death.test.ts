// Whatever a thread does in the cache, and wherever it dies: others complete or undo it, nobody hangs, nothing is lost.
// `PINFOLD_DEATHS=Infinity` tries every death of a recoverer too, which takes minutes.
import { describe, expect, test } from 'vitest';
import { Attachment } from '../../src/attachment.ts';
import { CachedFile } from '../../src/file.ts';
import { recover } from '../../src/protocol/recovery.ts';
import { builtKernel } from './compile.ts';
import { allDeaths } from './deaths.ts';
import { withPoints } from './points.ts';
import { scenarios } from './scenarios.ts';

const engine = { Attachment, CachedFile, recover };
const module = new WebAssembly.Module(withPoints(builtKernel('control.debug')) as BufferSource);
/** How many deaths of a recoverer are tried for each of its victim's. */
const SECOND = Number(process.env.PINFOLD_DEATHS ?? 1);
const every = SECOND === Number.POSITIVE_INFINITY;

describe.each(['keep', 'redirty'] as const)('%s', (pinnedDirty) => {
  const chosen = scenarios.filter(({ slow }) => every || !slow || pinnedDirty === 'redirty');
  test.each(chosen.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    (_, scenario) => {
      const options = { ...scenario.options, pinnedDirty };
      const count = allDeaths({ ...scenario, options }, engine, module, SECOND);
      expect(count.deaths).toBeGreaterThan(4);
      expect(count.second).toBeGreaterThanOrEqual(count.deaths);
    },
    every ? 3_600_000 : undefined,
  );
});
