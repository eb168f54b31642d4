// Small file systems, which can be full or read-only. Mounting takes root.
import { spawnSync } from 'node:child_process';
import { afterEach } from 'vitest';
import { testDirectory } from './directory.ts';

const COMMAND_MS = 10_000;
const mounted: string[] = [];

// Registered after that of directory.ts, so run before it: what is mounted goes before its directory does.
afterEach(() => {
  for (const directory of mounted.splice(0)) command('umount', '-l', directory);
});

function command(name: string, ...args: string[]): string | undefined {
  const { status, error, stderr } = spawnSync(name, args, { timeout: COMMAND_MS, encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? (stderr.trim() || `exit ${status}`));
}

/** A new empty directory on a file system of `bytes` of its own. */
export function tmpfsDirectory(bytes: number, ...options: string[]): string {
  const directory = testDirectory();
  const failed = command(
    'mount',
    '-t',
    'tmpfs',
    '-o',
    [`size=${bytes}`, ...options].join(),
    'tmpfs',
    directory,
  );
  if (failed !== undefined) throw new Error(`mount: ${failed}`);
  mounted.push(directory);
  return directory;
}

/** Makes what is mounted there read-only. */
export function makeReadOnly(directory: string): void {
  const failed = command('mount', '-o', 'remount,ro', directory);
  if (failed !== undefined) throw new Error(`mount: ${failed}`);
}

/** Whether this process may mount: root may, unless it is shut in. */
export const mayMount: boolean = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  // A mount in a namespace of its own, which goes with the command.
  return command('unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt') === undefined;
})();
