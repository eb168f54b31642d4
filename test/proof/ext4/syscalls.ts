// A second opinion: the system's own calls fail, by strace's tampering, under an unchanged library in a process of its
// own. What each call of the library comes to then, and what the file has in the end.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PageCache } from 'pinfold';
import { runLimited } from './program.ts';
import { isThere } from './volume.ts';

const PAGE = 4096;

/** What the calls of `callAll` come to: 'ok', or the errno of their cause. */
type Ends = readonly string[];

export interface Injection {
  readonly call: string;
  readonly errno: string;
  /** Which calls of a thread, as strace names them. */
  readonly when: string;
  readonly ends: Ends;
  /** The file is open for direct I/O. */
  readonly direct?: boolean;
}

/** How callers call: each in this thread, or by service threads. */
export const MODES = ['in place', 'by service'] as const;
export type Mode = (typeof MODES)[number];

/** The calls: open, view, write and fsync, write and fsync again, truncate, fsync. */
const OK: Ends = Array(6).fill('ok');
const ending = (...changes: readonly (readonly [number, string])[]): Ends => {
  const ends = [...OK];
  for (const [n, errno] of changes) ends[n] = errno;
  return ends;
};

export const injections: readonly Injection[] = [
  { call: 'fdatasync', errno: 'EIO', when: '1', ends: ending([2, 'EIO']) },
  { call: 'fdatasync', errno: 'ENOSPC', when: '2', ends: ending([3, 'ENOSPC']) },
  { call: 'fdatasync', errno: 'EDQUOT', when: '1..2', ends: ending([2, 'EDQUOT'], [3, 'EDQUOT']) },
  { call: 'pwrite64', errno: 'ENOSPC', when: '1', ends: ending([2, 'ENOSPC']) },
  { call: 'pwrite64', errno: 'EIO', when: '2', ends: ending([2, 'EIO']) },
  { call: 'pread64', errno: 'EIO', when: '1', ends: ending([1, 'EIO']) },
  { call: 'ftruncate', errno: 'EIO', when: '1', ends: ending([4, 'EIO']) },
  { call: 'openat', errno: 'EMFILE', when: '1', ends: ending([0, 'EMFILE']) },
  // Interrupted calls are made again, by Node or by the store.
  { call: 'pwrite64,pread64,fdatasync,ftruncate', errno: 'EINTR', when: '1..2', ends: OK },
  { call: 'pwrite64,pread64,fdatasync,ftruncate', errno: 'EINTR', when: '1..2', ends: OK, direct: true },
  { call: 'fdatasync', errno: 'EIO', when: '1', ends: ending([2, 'EIO']), direct: true },
  { call: 'pwrite64', errno: 'EINVAL', when: '1', ends: ending([2, 'EINVAL']), direct: true },
];

/** Why strace can't do it here; undefined if it can. */
export function straceObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'strace needs Linux';
  if (!isThere('strace')) return 'strace is not installed';
  const tried = spawnSync('strace', ['-f', '-o', '/dev/null', '-e', 'inject=fdatasync:error=EIO', 'true'], {
    timeout: 5000,
  });
  return tried.status === 0 ? undefined : 'strace may not trace here';
}

/** In a traced process: does the calls, and tells what each came to and what is wrong in the end. */
export async function callAll(
  path: string,
  mode: Mode,
  direct: boolean,
): Promise<{ ends: string[]; wrong: string }> {
  const cache = await PageCache.create({
    memory: 1 << 20,
    writebackIntervalMs: 2 ** 30,
    dirtyExpireMs: 2 ** 30,
  });
  const model = fs.readFileSync(`${path}.model`);
  const here = mode === 'in place';
  const ends: string[] = [];
  const call = async (does: () => unknown): Promise<boolean> => {
    try {
      await does();
      ends.push('ok');
      return true;
    } catch (error) {
      const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
      ends.push((error as NodeJS.ErrnoException).code === 'ERR_PINFOLD_IO' ? `${cause?.code}` : `${error}`);
      return false;
    }
  };
  // Each thread's first calls fail, also those with which this one looks at the file in the end.
  try {
    fs.closeSync(fs.openSync(path, 'r'));
  } catch {}
  const open = () => (here ? cache.openSync(path, { direct }) : cache.open(path, { direct }));
  await call(async () => await (await open()).close());
  const file = await open();
  const first = (bytes: Uint8Array) => bytes[0];
  await call(() => (here ? file.viewSync(9, first) : file.view(9, first)));
  // Whoever cuts the file needs the page, and is another thread with first calls of its own.
  for (let n = 0; n < 3; n++) await file.view(9, first).catch(() => {});
  const writeAndSync = async (value: number) => {
    for (const page of [0, 1, 5]) {
      const bytes = Buffer.alloc(PAGE, value + page);
      if (here) file.writeSync(bytes, page * PAGE);
      else await file.write(bytes, page * PAGE);
      bytes.copy(model, page * PAGE);
    }
    await call(() => (here ? file.fsyncSync() : file.fsync()));
  };
  await writeAndSync(20);
  await writeAndSync(40);
  const size = 9 * PAGE + 77;
  const cut = await call(() => (here ? file.truncateSync(size) : file.truncate(size)));
  await call(() => (here ? file.fsyncSync() : file.fsync()));
  const wanted = cut ? model.subarray(0, size) : model;
  const wrong = fs.readFileSync(path).equals(wanted) ? '' : 'the file is not what was written';
  await cache.close();
  return { ends, wrong };
}

/** One injection in one mode: what is wrong, if anything. `child`: the program to trace. */
export async function inject(injection: Injection, mode: Mode, child: string): Promise<string | undefined> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-strace-'));
  try {
    const path = join(directory, 'data');
    const bytes = Uint8Array.from({ length: 12 * PAGE }, (_, at) => (at % 251) + 1);
    fs.writeFileSync(path, bytes);
    fs.writeFileSync(`${path}.model`, bytes);
    const { call, errno, when, ends, direct = false } = injection;
    const trace = [
      '-f',
      '-o',
      '/dev/null',
      '-P',
      path,
      '-e',
      `trace=${call}`,
      '-e',
      `inject=${call}:error=${errno}:when=${when}`,
    ];
    const { status, output } = await runLimited('strace', [
      ...trace,
      process.execPath,
      child,
      'syscalls',
      path,
      mode,
      `${direct}`,
    ]);
    if (status !== 0) return `it ends with ${status}: ${output.slice(-500)}`;
    const told = JSON.parse(output.trim().split('\n').pop()!) as { ends: string[]; wrong: string };
    if (told.wrong) return told.wrong;
    return `${told.ends}` === `${ends}` ? undefined : `calls come to ${told.ends}, not ${ends}`;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
