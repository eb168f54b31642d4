// A real ext4 whose device can be broken: a loop device over a file that nbdfuse shows, whose writes nbdkit lets fail
// while a file exists. Every command has a limit, and whatever was begun is taken down, whatever fails.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endPrograms } from './program.ts';

const COMMAND_MS = 10_000;
const APPEAR_MS = 5000;
/** What ext4 needs with its journal, and some files. */
const SIZE = '64M';

/** What ends the whole program: a mount would be left. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const TOOLS = ['nbdkit', 'nbdfuse', 'fusermount3', 'losetup', 'mkfs.ext4', 'mount', 'umount', 'sync'];

/** Runs a command to its end; an error names it, and what it said. */
function command(name: string, ...args: string[]): string {
  const end = spawnSync(name, args, { timeout: COMMAND_MS, killSignal: 'SIGKILL', encoding: 'utf8' });
  if (end.status === 0) return end.stdout.trim();
  const why = end.error?.message ?? (end.stderr.trim() || `it ended with ${end.status ?? end.signal}`);
  throw new Error(`${name} ${args.join(' ')}: ${why}`);
}

/** Whether a command can be found. */
export function isThere(tool: string): boolean {
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
  return path.split(':').some((directory) => directory !== '' && fs.existsSync(join(directory, tool)));
}

/** Why there can be no such volume here; undefined if there may. */
export function obstacle(): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root, to mount a file system';
  const missing = TOOLS.filter((tool) => !isThere(tool));
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (Debian: nbdkit libnbd-bin fuse3 e2fsprogs)`;
  if (!fs.existsSync('/dev/fuse') || !fs.existsSync('/dev/loop-control'))
    return 'no /dev/fuse, or no loop devices';
  return undefined;
}

export class Volume {
  /** Where the file system is mounted. */
  readonly path: string;
  /** While this file exists writes to the device fail with EIO. */
  readonly breaker: string;
  readonly #directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-ext4-'));
  readonly #fuse: string;
  #server: ChildProcess | undefined;
  #device: string | undefined;
  #mounted = false;
  readonly #onSignal = () => {
    endPrograms(); // else they keep it busy
    this.#takeDown();
    fs.rmSync(this.#directory, { recursive: true, force: true });
    process.exit(1);
  };

  private constructor() {
    this.path = join(this.#directory, 'mounted');
    this.#fuse = join(this.#directory, 'fuse');
    this.breaker = join(this.#directory, 'broken');
    fs.mkdirSync(this.path);
    fs.mkdirSync(this.#fuse);
  }

  /** A new volume, mounted. Throws what did not work, with everything taken down again. */
  static async make(): Promise<Volume> {
    const volume = new Volume();
    for (const signal of SIGNALS) process.once(signal, volume.#onSignal);
    try {
      await volume.#start();
      return volume;
    } catch (error) {
      await volume.end();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const file = join(this.#fuse, 'device');
    const faults = ['error-pwrite=EIO', 'error-pwrite-rate=100%', `error-file=${this.breaker}`];
    const server = ['nbdkit', '-s', '--exit-with-parent', '--filter=error', 'memory', SIZE, ...faults];
    this.#server = spawn('nbdfuse', [file, '--command', ...server], { stdio: 'ignore' });
    this.#server.on('error', () => {}); // it does not appear then
    for (let waited = 0; !fs.existsSync(file); waited += 20) {
      if (waited > APPEAR_MS || this.#server.exitCode !== null)
        throw new Error('nbdfuse does not show its file');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#device = command('losetup', '-f', '--show', file);
    // Nothing is left to be initialized later, nor discarded: no write of the file system's own comes at a bad moment.
    const options = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard';
    command('mkfs.ext4', '-q', '-F', '-b', '4096', '-E', options, this.#device);
    this.#mount();
  }

  /** The journal is written when somebody asks, not every few seconds: only data must meet the broken device. */
  #mount(): void {
    command('mount', '-t', 'ext4', '-o', 'noatime,errors=continue,commit=300', this.#device!, this.path);
    this.#mounted = true;
  }

  /** Everything is read from the device afterwards, whatever caches held. */
  remount(): void {
    command('umount', this.path);
    this.#mounted = false;
    fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
    this.#mount();
  }

  /** How many errors the file system has met in its own records: then it proves nothing. */
  get ownErrors(): number {
    const name = this.#device!.split('/').pop()!;
    return Number(fs.readFileSync(`/sys/fs/ext4/${name}/errors_count`, 'utf8'));
  }

  /** Takes everything down. What can't be is told, not thrown: the next thing has to be tried as well. */
  async end(): Promise<string[]> {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    const left = this.#takeDown();
    await this.#serverEnds();
    fs.rmSync(this.#directory, { recursive: true, force: true });
    return left;
  }

  #takeDown(): string[] {
    const left: string[] = [];
    const attempt = (does: () => void) => {
      try {
        does();
      } catch (error) {
        left.push((error as Error).message);
      }
    };
    fs.rmSync(this.breaker, { force: true });
    if (this.#mounted) attempt(() => this.#unmount());
    if (this.#device) attempt(() => command('losetup', '-d', this.#device!));
    if (this.#serves) attempt(() => command('fusermount3', '-u', '-z', this.#fuse));
    return left;
  }

  #unmount(): void {
    try {
      command('umount', this.path);
    } catch {
      command('umount', '-l', this.path); // somebody hangs in it
    }
    this.#mounted = false;
  }

  get #serves(): boolean {
    const { exitCode = 0, signalCode = null } = this.#server ?? {};
    return exitCode === null && signalCode === null;
  }

  async #serverEnds(): Promise<void> {
    for (let waited = 0; this.#serves; waited += 20) {
      if (waited === 2000) this.#server!.kill('SIGKILL');
      if (waited > 4000) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
