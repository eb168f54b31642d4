// Commands as a shell runs them, with a limit and an end.
import { type ChildProcess, spawn } from 'node:child_process';
import { Refused } from '../refused';

export interface Ran {
  stdout: string;
}

interface Where {
  cwd: string;
  limitMs: number;
  /** How messages name it. */
  what: string;
}

/** A sample is some KB; more is none. */
const STDOUT_BYTES_MAX = 16 << 20;
/** Of what a command says before it fails, in lines. */
const LINES_SHOWN = 20;
const TAIL_BYTES = 20_000;

const running = new Set<ChildProcess>();

/** Ends what runs, with all that it has started. */
export function endShells(): void {
  for (const child of running) kill(child);
}

function kill(child: ChildProcess): void {
  try {
    // It leads a group of its own: the shell and what the shell has started.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/** @throws Refused with the end of its output when the command fails or takes too long */
export async function runShell(command: string, { cwd, limitMs, what }: Where): Promise<Ran> {
  const child = spawn(command, { cwd, shell: true, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const out: Buffer[] = [];
  let outBytes = 0;
  let tail = '';
  const keepTail = (chunk: Buffer): void => {
    tail = (tail + chunk.toString()).slice(-TAIL_BYTES);
  };
  let failure: string | undefined;
  const fail = (why: string): void => {
    failure ??= why;
    kill(child);
  };
  child.stdout.on('data', (chunk: Buffer) => {
    keepTail(chunk);
    outBytes += chunk.length;
    if (outBytes > STDOUT_BYTES_MAX) fail(`has printed more than ${STDOUT_BYTES_MAX >> 20} MiB`);
    else out.push(chunk);
  });
  child.stderr.on('data', keepTail);
  const timer = setTimeout(() => fail(`did not end within ${Math.round(limitMs / 1e3)} s`), limitMs);
  try {
    const ended = await new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve(code === null ? `ended with ${signal}` : `ended with code ${code}`),
      );
    });
    if (failure === undefined && ended !== 'ended with code 0') failure = ended;
  } catch (error) {
    failure = `could not be started: ${(error as Error).message}`;
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
  if (failure !== undefined) {
    const lines = tail.trimEnd().split('\n').slice(-LINES_SHOWN);
    const said = tail.trim() === '' ? '' : `:\n${lines.map((line) => `  ${line}`).join('\n')}`;
    throw new Refused(`${what}: \`${command}\` ${failure}${said}`);
  }
  return { stdout: Buffer.concat(out).toString() };
}
