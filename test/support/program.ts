// Programs of their own: a Node process over the built package.
import { spawn } from 'node:child_process';

/** For a machine that has much else to do: 70 caches one after the other take two seconds on one that has not. */
const LIMIT_MS = 60_000;

export interface ProgramEnd {
  /** Exit code; null if it did not end by itself in time. */
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `code`, an ES module in which `pinfold` is the built package and `argument` a string, as a process. */
export async function runProgram(code: string, argument: string): Promise<ProgramEnd> {
  const index = new URL('../../dist/index.js', import.meta.url).href;
  const source = `import * as pinfold from ${JSON.stringify(index)};
    const argument = process.argv[1];
    ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source, argument], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const end: ProgramEnd = { status: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    end.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    end.stderr += chunk;
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...end, status }));
  });
}
