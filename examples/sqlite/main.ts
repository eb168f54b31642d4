// npm run example:sqlite [-- COMMAND]
import fs from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { demo } from './demo/demo.ts';
import { speed } from './speed/speed.ts';
import { CONTROLS, type Control } from './storm/controls.ts';
import { storm } from './storm/storm.ts';

const DIRECTORY = 'a new one here, removed afterwards';

const count = (text: string) => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`a whole number is needed, not '${text}'`);
  return Number(text);
};

/** Runs in `given`, or in a directory of its own that is removed, however that ends. */
async function within(
  given: string | undefined,
  run: (directory: string) => Promise<boolean>,
): Promise<void> {
  const directory = given ?? fs.mkdtempSync(join(process.cwd(), '.pinfold-sqlite-'));
  const remove = () => {
    if (given !== undefined) return;
    // After a signal threads may be making files there still.
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      remove();
      process.exit(130);
    });
  }
  try {
    process.exitCode = (await run(directory)) ? 0 : 1;
  } finally {
    remove();
  }
}

const program = new Command('example:sqlite').description('SQLite over Pinfold: many threads, one cache.');

program
  .command('demo', { isDefault: true })
  .description('four threads write to one database')
  .option('--directory <path>', `where (default: ${DIRECTORY})`)
  .action(({ directory }: { directory?: string }) => within(directory, demo));

program
  .command('storm')
  .description(
    'threads are terminated and processes killed while they write; ends with 1 if anything is lost or wrong',
  )
  .option('--terminations <n>', 'threads that are terminated', count, 100)
  .option('--kills <n>', 'processes that are killed', count, 20)
  .addOption(
    new Option('--without <duty>', 'leaves a duty of the VFS out, to see it found').choices(CONTROLS),
  )
  .option('--directory <path>', `where (default: ${DIRECTORY})`)
  .action((given: { terminations: number; kills: number; without?: Control; directory?: string }) =>
    within(given.directory, (directory) =>
      storm({ directory, terminations: given.terminations, kills: given.kills, control: given.without }),
    ),
  );

program
  .command('speed')
  .description(
    'reads, scans and transactions on 1 and 4 threads, beside the same SQLite over plain fs and node-sqlite3-wasm',
  )
  .option('--rounds <n>', 'rounds that are counted', count, 15)
  .option('--block-ms <n>', 'how long an arm works at a time, in ms', count, 100)
  .option('--rows <n>', 'rows of the table: 100,000 are 12 MB, and in the cache', count, 100_000)
  .option('--directory <path>', `where (default: ${DIRECTORY})`)
  .action((given: { rounds: number; blockMs: number; rows: number; directory?: string }) =>
    within(given.directory, (directory) => speed({ ...given, directory })),
  );

await program.parseAsync();
