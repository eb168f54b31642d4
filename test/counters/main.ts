// `npm run counters`: what can be counted of the build, as a sample for `pinfold-bench counters`. The same on every machine, run after run.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SAMPLE_SCHEMA, SAMPLE_VERSION, type Sample, type SampleMetric } from '../../bench/gate/sample.ts';
import { generate } from '../../bench/scenarios/replacement/generate.ts';
import { root } from '../support/root.ts';
import { count } from './counted.ts';
import { countOperations } from './operations.ts';

const exact = (
  name: string,
  value: number,
  unit: string,
  better: SampleMetric['better'] = 'smaller',
): SampleMetric => ({
  name,
  value,
  unit,
  better,
  exact: true,
});

const TRACES = ['zipf 0.8', 'loop over 13%', 'zipf 0.8 slides'] as const;
const ACCESSES = 200_000;
const FOOTPRINT = 10_000;
const FRAMES = 1_000;
const TRACE_SEED = 1;

/** Of fixed traces, by the kernel that is shipped: one thread, so the same each time. */
async function hitRatios(): Promise<SampleMetric[]> {
  const { createMemoryCache } = await import('#harness');
  return TRACES.map((name) => {
    const { accesses, pages } = generate(name, ACCESSES, FOOTPRINT, TRACE_SEED);
    const cache = createMemoryCache({ frames: FRAMES, pages, threads: 1, handAlone: false });
    try {
      for (const page of accesses) cache.touch(page);
      const { hits, misses } = cache.stats();
      return exact(`hits on ${name}`, Number(((100 * hits) / (hits + misses)).toFixed(2)), '%', 'larger');
    } finally {
      cache.detach();
    }
  });
}

function sizes(): SampleMetric[] {
  const bytes = (path: string) => fs.statSync(join(root, path)).size;
  const { stdout, status, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`npm pack ended with ${status}: ${stderr}`);
  const [{ unpackedSize, files }] = JSON.parse(stdout) as [
    { unpackedSize: number; files: { path: string; size: number }[] },
  ];
  const library = files
    .filter(({ path }) => path.startsWith('dist/'))
    .reduce((sum, { size }) => sum + size, 0);
  const { dependencies = {} } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  return [
    exact('wasm: control', bytes('build/kernel/control.wasm'), 'bytes'),
    exact('wasm: bytes', bytes('build/kernel/bytes.wasm'), 'bytes'),
    exact('package: library', library, 'bytes'),
    exact('package: all, unpacked', unpackedSize, 'bytes'),
    exact('package: dependencies', Object.keys(dependencies).length, ''),
  ];
}

const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-counters-'));
process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
// The library keeps functions that are replaced, so it is imported after that; what counts the traces' hits comes last, and is not slowed.
const { counts, stop } = count();
const { PageCache } = await import('pinfold');
const operations = await countOperations(PageCache, counts, directory);
stop();
const metrics = [...operations, ...(await hitRatios()), ...sizes()];
const sample: Sample = { schema: SAMPLE_SCHEMA, version: SAMPLE_VERSION, metrics };
process.stdout.write(`${JSON.stringify(sample, null, 2)}\n`);
