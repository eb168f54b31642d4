// npm run example:ranges: a server of map tiles and table rows on several threads, with one shared cache, beside the same server with a
// cache in each thread: how much memory it takes, and how long its slowest answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeArchive, writeParquet } from './archive.ts';
import { load } from './load.ts';
import { type Memory, type ServeOptions, serve } from './serve.ts';

const MIB = 2 ** 20;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '200' },
    memory: { type: 'string', default: '48' },
    zoom: { type: 'string', default: '6' },
  },
});

/** An option as a number. */
function option(name: keyof typeof values, most: number): number {
  const number = Number(values[name]);
  if (number > 0 && number <= most) return number;
  throw new RangeError(`--${name} must be a number above 0, up to ${most}, got '${values[name]}'`);
}

interface Figures {
  readonly memory: Memory;
  readonly median: number;
  readonly p99: number;
}

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const quantile = (numbers: readonly number[], q: number) =>
  sorted(numbers)[Math.min(numbers.length - 1, Math.floor(numbers.length * q))];

/** Runs a server, warms it up, and measures it. */
async function measure(options: ServeOptions, seconds: number, rate: number): Promise<Figures> {
  const program = [fileURLToPath(import.meta.url), 'serve', JSON.stringify(options)];
  const server = spawn(process.execPath, ['--expose-gc', ...program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(server, 'close');
  try {
    const lines = createInterface({ input: server.stdout! })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value as string | undefined;
    const ports = JSON.parse((await next()) ?? '[]') as number[];
    if (ports.length === 0) throw new Error('the server has ended before it served');
    const { zoom } = options;
    const warm = await load({ ports, rate, seconds: seconds / 2, zoom });
    const { latencies, wrong } = await load({ ports, rate, seconds, zoom });
    for (const answer of [...warm.wrong, ...wrong]) throw new Error(`a wrong answer: ${answer}`);
    server.stdin!.write('memory\n');
    const memory = JSON.parse((await next()) ?? '') as Memory;
    return { memory, median: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
  } finally {
    server.stdin!.end();
    await ended;
  }
}

async function compare(): Promise<void> {
  const threads = Math.ceil(option('threads', 64));
  const rounds = Math.ceil(option('rounds', 1000));
  const seconds = option('seconds', 3600);
  const rate = option('rate', 100_000);
  const memory = Math.ceil(option('memory', 4096) * MIB);
  const zoom = Math.floor(option('zoom', 8));
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-ranges-'));
  process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const [tiles, rows] = ['tiles.pmtiles', 'rows.parquet'].map((name) => join(directory, name));
  writeArchive(tiles, zoom);
  writeParquet(rows);
  const size = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  console.log(
    `${threads} threads serve ${size(fs.statSync(tiles).size)} of tiles, ${rate} requests a second`,
  );

  const common = { tiles, rows, zoom, threads };
  const arms = [
    { name: `one shared cache of ${size(memory)}`, options: { ...common, memory, isShared: true } },
    {
      name: `a cache in each thread, ${size(memory)} in all`,
      options: { ...common, memory: Math.floor(memory / threads), isShared: false },
    },
    {
      name: `a cache in each thread, ${size(memory)} each`,
      options: { ...common, memory, isShared: false },
    },
  ].map((arm) => ({ ...arm, figures: [] as Figures[] }));
  for (let round = 0; round < rounds; round++) {
    // Each round in another order: what comes first in one comes last in another.
    for (let n = 0; n < arms.length; n++) {
      const { options, figures } = arms[(n + round) % arms.length];
      figures.push(await measure(options, seconds, rate));
    }
  }
  console.log(`median of ${rounds} runs [least, most]`);
  const spread = (numbers: number[]) => {
    const [least, middle, most] = [0, 0.5, 1].map((q) => quantile(numbers, q).toFixed(1));
    return `${middle} [${least}, ${most}]`.padStart(24);
  };
  console.log(
    `${' '.repeat(44)}${['memory, MiB', 'after GC, MiB', 'median, ms', 'p99, ms'].map((head) => head.padStart(24)).join('')}`,
  );
  for (const { name, figures } of arms) {
    const columns = [
      figures.map(({ memory }) => memory.running / MIB),
      figures.map(({ memory }) => memory.collected / MIB),
      figures.map(({ median }) => median),
      figures.map(({ p99 }) => p99),
    ];
    console.log(`${name.padEnd(44)}${columns.map(spread).join('')}`);
  }
  console.log('Every answer was what is in the files.');
}

if (positionals[0] === 'serve') await serve(JSON.parse(positionals[1]) as ServeOptions);
else await compare();
