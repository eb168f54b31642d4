// Programs of their own, with all that they start: none outlives its limit, nor this process.
import { spawn } from 'node:child_process';

const LIMIT_MS = 25_000;
const running = new Set<number>();

/** Ends every program that runs, and what it has started. */
export function endPrograms(): void {
  for (const pid of running) kill(pid);
}

function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL'); // the group that it leads
  } catch {} // it has just ended
}

/** Runs a program; it is killed, with what it has started, after the limit. */
export async function runLimited(
  program: string,
  args: readonly string[],
): Promise<{ status: number | string | null; output: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  if (child.pid !== undefined) running.add(child.pid);
  const timer = setTimeout(() => kill(child.pid), LIMIT_MS);
  let output = '';
  let complaints = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve({ status: code ?? signal, output: code === 0 ? output : output + complaints }),
      );
    });
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined) running.delete(child.pid);
  }
}
