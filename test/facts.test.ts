// What the library takes for granted of Node and V8 and no standard promises, on this Node. The programs are plain: npm
// run facts runs them on other versions of Node, too.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const LIMIT_MS = 60_000;
const directory = fileURLToPath(new URL('facts/', import.meta.url));
const programs = readdirSync(directory).filter((name) => name.endsWith('.mjs'));

/** Runs a program: how it ended (null: not in time), and all that it said. */
function run(program: string): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [program], {
    cwd: directory,
    // Not under coverage: that changes how V8 compiles, and each thread that starts pays for it. Undefined, since Node
    // passes this one on if it is left out.
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

test.each(programs)('%s', { timeout: LIMIT_MS + 5000 }, async (program) => {
  const { status, output } = await run(program);
  expect(status, output).toBe(0);
  expect(output).toMatch(/^(ok|skip) /m);
});
