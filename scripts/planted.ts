// Builds of the project with deliberate faults in their sources, to try what is there to notice them.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** One place of a source; `from` must be in it once. */
export interface Change {
  file: string;
  from: string;
  to: string;
}

const COPIED = [
  'src',
  'bench',
  'scripts',
  'top',
  'examples',
  'test',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsup.config.ts',
];
/** Longer than any of them takes on a slow machine, ms. */
const LIMIT_MS = 900_000;

/** Output of a command that ends with one of the codes. Throws if it ends otherwise. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  ...ended: number[]
): { status: number; stdout: string } {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd,
    timeout: LIMIT_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status === null || !ended.includes(status))
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}`);
  return { status, stdout };
}

/** Copies the project `root` into `directory`, with these changes, and builds it there. */
export function plant(root: string, directory: string, changes: readonly Change[]): void {
  for (const name of COPIED) {
    fs.cpSync(path.join(root, name), path.join(directory, name), {
      recursive: true,
      filter: (from) => path.basename(from) !== 'dist',
    });
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
  for (const { file, from, to } of changes) {
    const source = fs.readFileSync(path.join(directory, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`${file} no longer has, once: ${from}`);
    fs.writeFileSync(
      path.join(directory, file),
      source.replace(from, () => to),
    );
  }
  run('npm', ['run', 'build'], directory, 0);
}

/** Where a page is looked up: each hit comes by here, once. */
export const LOOKUP = {
  file: 'src/kernel/control/words.ts',
  from: '  return atBuckets + (<usize>(hash & bucketMask) << 6);\n',
};
