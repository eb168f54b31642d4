// The storm of terminate(): `npm run storm`, as a process of its own, which ends with this one.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../../support/root.ts';

const STORM = join(root, 'test/storm/dist/main.js');
/** The storm notices itself what hangs; if it does not, it is ended, ms. */
const LIMIT_MS = 120_000;

/** In the storm's main thread: ends it once its parent, which holds the other end of the pipe, is gone. */
const GUARD = `data:text/javascript,${encodeURIComponent(
  `import { isMainThread } from 'node:worker_threads';
  if (isMainThread) process.stdin.on('close', () => process.exit(3)).resume();`,
)}`;

export interface Storm {
  readonly kills: number;
  /** The lines that tell of a violation, or of why it did not come to its end. */
  readonly wrong: readonly string[];
}

export async function storm(args: readonly string[]): Promise<Storm> {
  const child = spawn(process.execPath, ['--import', GUARD, STORM, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text;
    });
  }
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const kills = Number(/(\d+) of \d+ terminations/.exec(output)?.[1] ?? 0);
  // Each is told with the stack of what was thrown; the storm's own last line follows.
  const wrong = output
    .split(/^VIOLATION /m)
    .slice(1)
    .map((text) => text.split(/^storm: /m)[0]!.trimEnd());
  const well = status === 0 && output.includes('nothing was lost, left behind or half done');
  if (!well && wrong.length === 0) wrong.push(`it ends with ${status}: ${output.slice(-500)}`);
  return { kills, wrong };
}
