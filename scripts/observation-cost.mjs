// What timings and channels cost a hit while nobody listens: the library as it is against one without them, and against
// itself, in one process, in short blocks that take turns; several processes, since code is compiled anew in each.
//   npm run bench:observation -- [--processes N] [--seconds S] [--json]
// Ends with 1 if a ratio's interval lies above the bar.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const BAR = 1.01;
const PAGES = 1024;
const PAGE = 4096;
/** Hits of each arm in a block: some 0.1 ms. */
const BLOCK = 4096;
const WARM_UP = 300;
/** `again` is `shipped` once more: how far apart two are that are the same. */
const ARMS = ['shipped', 'without', 'again'];
/** Where what is measured comes into the library: without these lines nothing is recorded, told or traced. */
const CUTS = [
  ['src/attachment.ts', 'this.observer = new Observer(this.kernel, handle.timings, tell);'],
  ['src/cache.ts', 'trace || shared !== undefined ? new Traces(kernel, geometry, shared) : undefined'],
];

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '12' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    child: { type: 'string' },
    order: { type: 'string' },
  },
});

const number = (name) => {
  const value = Number(values[name]);
  if (!(value > 0 && value < 1e6))
    throw new Error(`--${name} must be a number above 0, got '${values[name]}'`);
  return value;
};

if (values.child !== undefined) await measure(values.child, values.order.split(','), number('seconds'));
else await compare(Math.ceil(number('processes')), number('seconds'));

/** One bundle an arm, all made in the same way, from the built service thread and kernels. */
async function bundle(directory) {
  const source = fs.readFileSync(join(root, 'dist/index.js'), 'utf8'); // it must be there: the build has made the kernels
  if (source.length === 0) throw new Error('dist/index.js is empty: npm run build');
  const { inlineServices } = await servicesPlugin();
  for (const arm of ARMS) {
    let cut = 0;
    const cuts = {
      name: 'cuts',
      setup(esbuild) {
        if (arm !== 'without') return;
        for (const [file, text] of CUTS) {
          const path = join(root, file);
          esbuild.onLoad({ filter: new RegExp(`${file.replace(/[/.]/g, '\\$&')}$`) }, () => {
            const code = fs.readFileSync(path, 'utf8');
            if (code.split(text).length !== 2) throw new Error(`${file} has no '${text}'`);
            cut++;
            return {
              contents: code.replace(text, 'undefined;'),
              loader: 'ts',
              resolveDir: join(root, 'src'),
            };
          });
        }
      },
    };
    await build({
      absWorkingDir: root,
      entryPoints: ['src/index.ts'],
      outfile: join(directory, `${arm}.mjs`),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      loader: { '.wasm': 'binary' },
      plugins: [cuts, inlineServices()],
      logLevel: 'error',
    });
    if (arm === 'without' && cut !== CUTS.length) throw new Error(`${cut} of ${CUTS.length} cuts were made`);
  }
}

/** The build's own plugin, which is TypeScript. */
async function servicesPlugin() {
  const outfile = join(root, 'node_modules/.cache/inline-services.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['scripts/inline-services.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    // It finds the repository by its own place.
    define: {
      'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'scripts/inline-services.ts')).href),
    },
  });
  return await import(pathToFileURL(outfile).href);
}

/** Measures in this process: for each operation the medians of the ratios of neighbouring blocks. */
async function measure(directory, order, seconds) {
  const arms = {};
  for (const arm of order) {
    const { PageCache } = await import(pathToFileURL(join(directory, `${arm}.mjs`)).href);
    const cache = await PageCache.create({ memory: 16 << 20 });
    const path = join(directory, `${arm}-${process.pid}.data`);
    fs.writeFileSync(path, Buffer.alloc(PAGES * PAGE));
    const file = await cache.open(path, { access: 'random' });
    await file.prefetch(0, PAGES);
    const at = new Function('bytes', 'offset', `return bytes[offset]; /* ${arm} */`);
    const target = new Uint8Array(PAGE);
    // From text as the loops are: calls in code that the arms share would be of three kinds, and only the first be compiled well.
    const works = `return {
      view: (n) => file.viewSync(n & ${PAGES - 1}, at, 8),
      pin: (n) => file.pinSync(n & ${PAGES - 1}).unpin(),
      read: (n) => file.readSync(target, (n & ${PAGES - 1}) * ${PAGE}), // ${arm}
    };`;
    arms[arm] = { cache, path, ...new Function('file', 'at', 'target', works)(file, at, target) };
  }
  const ratios = {};
  for (const operation of ['view', 'pin', 'read']) {
    const run = Object.fromEntries(order.map((arm) => [arm, loopOf(arms[arm][operation], arm)]));
    for (let n = 0; n < WARM_UP; n++) for (const arm of order) run[arm](BLOCK / 8);
    const pairs = { without: [], again: [] };
    const end = performance.now() + (seconds * 1000) / 3;
    for (let turn = 0; performance.now() < end; turn++) {
      const took = {};
      for (let n = 0; n < ARMS.length; n++) {
        const arm = ARMS[(n + turn) % ARMS.length];
        const started = process.hrtime.bigint();
        run[arm](BLOCK);
        took[arm] = Number(process.hrtime.bigint() - started);
      }
      for (const arm of Object.keys(pairs)) pairs[arm].push(took.shipped / took[arm]);
    }
    ratios[operation] = Object.fromEntries(
      Object.entries(pairs).map(([arm, all]) => [arm, quantile(all, 0.5)]),
    );
  }
  for (const { cache, path } of Object.values(arms)) {
    await cache.close();
    fs.unlinkSync(path);
  }
  console.log(JSON.stringify(ratios));
}

/** A loop of its own for each arm, from text that differs: code that all share would see three kinds of functions. */
function loopOf(work, arm) {
  const text = `return (count) => { for (let n = 0; n < count; n++) work(n); /* ${arm} */ }`;
  return new Function('work', text)(work);
}

async function compare(processes, seconds) {
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-cost-'));
  try {
    await bundle(directory);
    const runs = [];
    for (let n = 0; n < processes; n++) {
      const order = ARMS.map((_, k) => ARMS[(k + n) % ARMS.length]).join();
      const args = [
        fileURLToPath(import.meta.url),
        '--child',
        directory,
        '--order',
        order,
        '--seconds',
        `${seconds}`,
      ];
      const out = execFileSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 60_000 + seconds * 2000,
      });
      runs.push(JSON.parse(out));
    }
    report(runs);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function report(runs) {
  const rows = Object.keys(runs[0]).map((operation) => {
    const of = (arm) => {
      const all = runs.map((run) => run[operation][arm]);
      return { median: quantile(all, 0.5), low: quantile(all, 0.25), high: quantile(all, 0.75) };
    };
    return { operation, cost: of('without'), control: of('again') };
  });
  // What cannot be told from nothing is within the bar: the whole middle half must lie above it to be said to miss it.
  const missed = rows.filter(({ cost }) => cost.low > BAR);
  if (values.json)
    console.log(JSON.stringify({ bar: BAR, processes: runs.length, rows, held: missed.length === 0 }));
  else {
    const shown = ({ median, low, high }) => `${median.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
    console.log(
      `hits with observation built in ÷ without it, nobody listening; ${runs.length} processes, median [quartiles]`,
    );
    for (const { operation, cost, control } of rows) {
      console.log(`  ${operation.padEnd(5)} ${shown(cost)}   identical arms ${shown(control)}`);
    }
    console.log(missed.length === 0 ? `held: at most ${BAR}` : `MISSED: more than ${BAR}`);
  }
  if (missed.length > 0) process.exitCode = 1;
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
