// What the sequences of the proof's part 'model' are worth: they pass over the library, find a mistake, and repeat it.
import { expect, test } from 'vitest';
import { engineWith } from '../../kernel/mutants.ts';
import { MISTAKES } from './mistakes.ts';
import { runReal } from './real-sequences.ts';
import { asIs, builtModule, CONFIGS, Sequences } from './sequences.ts';

const module = builtModule();

test.each(CONFIGS.slice(1, 3))('a few sequences pass ($pinnedDirty, pages of $pageSize)', (config) => {
  const sequences = new Sequences(asIs, module, config);
  const { found, sequences: ran } = sequences.run(11, 20_000, { most: 6 });
  expect(found).toBeUndefined();
  expect(ran).toBe(6);
  for (const kind of ['update', 'write', 'fsync', 'die', 'truncate']) {
    expect(sequences.cache.counts.get(kind)).toBeGreaterThan(0);
  }
});

test('a mistake is found, made short, and found again by what names it', async () => {
  const { changes, config } = MISTAKES.find(({ what }) => what.startsWith('an unpin'))!;
  const sequences = new Sequences(await engineWith(changes), module, config);
  const { found } = sequences.run(3, 20_000);
  expect(found?.steps.length).toBeLessThanOrEqual(4);
  expect(sequences.again(found!.replay)?.steps).toEqual(found!.steps);
  expect(new Sequences(asIs, module, config).again(found!.replay)).toBeUndefined();
});

test('a few sequences pass on a whole cache', async () => {
  const { found, counts } = await runReal(CONFIGS[0]!, 5, 20_000, { most: 5 });
  expect(found).toBeUndefined();
  expect(counts.get('fsyncs judged by plain reads')).toBeGreaterThan(0);
});
