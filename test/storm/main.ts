// `npm run storm`: parses the command line, lets the storm go, prints what it did and what was found.
import { parseArgs } from 'node:util';
import { OPS } from './board.ts';
import { PLANTS, type Plant } from './keeper.ts';
import { runStorm, type StormOptions, type StormReport } from './storm.ts';

const HELP = `npm run storm -- [options]

Workers do everything at once on shared files and are terminated at random. Ends with 1 if something was lost, leaked,
half done or hung.

  --kills N      terminations (1000); 0: workers end by themselves, for --seconds
  --seconds S    only with --kills 0 (8)
  --seed N       repeats what workers choose to do, though not when (random)
  --workers N    workers that main starts (4)
  --spawned N    workers that a thread of main's starts, which is terminated with them (2)
  --services N   service threads that are terminated, one at a time (0)
  --faults       the store fails now and then
  --stall MS     a call that takes longer hangs (20000)
  --pinned HOW   keep or redirty: pinned pages' dirtiness (by the seed)
  --memory B     bytes of the cache (2 MiB)
  --pressure     20 times more data than memory, for a minute: --kills 0 --seconds 60 --memory 262144, unless they are given
  --plant WHAT   breaks something on purpose: ${PLANTS.join(', ')}
`;

/** Terminations, seconds and bytes of the cache, if they are not given. */
const CALM = ['1000', '8', `${2 << 20}`] as const;
const PRESSURE = ['0', '60', `${256 << 10}`] as const;

function parse(args: string[]): StormOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      workers: { type: 'string', default: '4' },
      spawned: { type: 'string', default: '2' },
      services: { type: 'string', default: '0' },
      faults: { type: 'boolean', default: false },
      stall: { type: 'string', default: '20000' },
      memory: { type: 'string' },
      pressure: { type: 'boolean', default: false },
      pinned: { type: 'string' },
      plant: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [kills, runs, memory] = values.pressure ? PRESSURE : CALM;
  const given = { kills, seconds: runs, memory, ...values };
  const number = (name: 'kills' | 'seconds' | 'workers' | 'spawned' | 'services' | 'stall' | 'memory') => {
    const value = Number(given[name]);
    if (!(value >= 0)) throw new Error(`--${name} must be a number, got '${given[name]}'`);
    return value;
  };
  if (values.plant !== undefined && !PLANTS.includes(values.plant as Plant)) {
    throw new Error(`--plant must be one of ${PLANTS.join(', ')}, got '${values.plant}'`);
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed) | 0;
  const pinned = values.pinned ?? (seed % 2 === 0 ? 'keep' : 'redirty');
  if (pinned !== 'keep' && pinned !== 'redirty') {
    throw new Error(`--pinned must be keep or redirty, got '${pinned}'`);
  }
  return {
    seed,
    pinnedDirty: pinned,
    kills: number('kills'),
    seconds: number('seconds'),
    workers: Math.max(1, number('workers')),
    spawned: number('spawned'),
    services: number('services'),
    faults: values.faults,
    stallMs: number('stall'),
    memory: number('memory'),
    plant: values.plant as Plant | undefined,
  };
}

function print(options: StormOptions, report: StormReport): void {
  const { seed, kills, pinnedDirty } = options;
  const { board, seconds, held, stats, servicesKilled } = report;
  const out = (line: string) => process.stdout.write(`${line}\n`);
  out(
    `storm: seed ${seed} (${pinnedDirty}), ${board.kills} of ${kills} terminations in ${seconds.toFixed(1)} s`,
  );
  out(
    `  ${(board.kills / seconds).toFixed(1)} a second; ${board.workers} workers, ${servicesKilled} service threads`,
  );
  out(
    `${'operation'.padEnd(20)}${'done'.padStart(9)}${'refused'.padStart(9)}${'killed in'.padStart(11)}${'longest ms'.padStart(12)}`,
  );
  for (const op of OPS) {
    const { done, failed, killedIn, maxMs } = board.counts(op);
    if (op === 'idle' || done + failed + killedIn === 0) continue;
    out(
      `${op.padEnd(20)}${String(done).padStart(9)}${String(failed).padStart(9)}${String(killedIn).padStart(11)}${String(maxMs).padStart(12)}`,
    );
  }
  if (held.size > 0) {
    const list = [...held].sort((a, b) => b[1] - a[1]).map(([what, n]) => `${n} ${what}`);
    out(`held by those who had just been terminated: ${list.join(', ')}`);
  }
  const times = report.dataBytes / options.memory;
  if (stats) {
    const turns = (stats.reclaims! / stats.frames!).toFixed(1);
    out(`${times.toFixed(1)} times more data than memory; the pool was filled anew ${turns} times`);
  }
  if (stats)
    out(
      `stats: ${Object.entries(stats)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`,
    );
  for (const text of board.violationTexts()) out(`VIOLATION ${text}`);
  out(
    board.violations === 0
      ? 'storm: nothing was lost, left behind or half done'
      : `storm: ${board.violations} VIOLATIONS (seed ${seed})`,
  );
}

try {
  const options = parse(process.argv.slice(2));
  if (options === undefined) process.stdout.write(HELP);
  else {
    const report = await runStorm(options);
    print(options, report);
    // Not by itself: where something was found, threads may hang.
    process.exit(report.board.violations === 0 ? 0 : 1);
  }
} catch (error) {
  process.stderr.write(`storm: ${(error as Error).stack}\nTry --help.\n`);
  process.exit(2);
}
