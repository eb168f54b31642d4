// Where direct I/O can be tried, and what tells that it took place.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TMPFS = 0x01021994;

/** Why there is no direct I/O on files in `directory`; undefined if there is. */
export function directObstacle(directory = tmpdir()): string | undefined {
  const { O_DIRECT, O_RDONLY } = fs.constants;
  if (O_DIRECT === undefined) return 'the system has no O_DIRECT';
  const own = fs.mkdtempSync(join(directory, 'pinfold-direct-'));
  try {
    const path = join(own, 'file');
    fs.writeFileSync(path, new Uint8Array(4096));
    const fd = fs.openSync(path, O_RDONLY | O_DIRECT);
    try {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      fs.readSync(fd, new Uint8Array(memory.buffer), 0, 4096, 0);
    } finally {
      fs.closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return `no direct I/O in ${directory}: ${(error as NodeJS.ErrnoException).code}`;
  } finally {
    fs.rmSync(own, { recursive: true });
  }
}

/** Why the system's cache can't be looked into; undefined if it can. */
export function fincoreObstacle(directory = tmpdir()): string | undefined {
  if (fs.statfsSync(directory).type === TMPFS) return `${directory} is a tmpfs, which is itself the cache`;
  try {
    execFileSync('fincore', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'fincore (util-linux) is not installed';
  }
}

/** How many pages of the file the system's cache has. */
export function pagesInSystemCache(path: string): number {
  return Number(execFileSync('fincore', ['-b', '-n', '-o', 'PAGES', path], { encoding: 'utf8' }));
}

/** Flags of the descriptors that this process has open on the file, as open(2) takes them. */
export function flagsOn(path: string): number[] {
  return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`) !== path) return [];
      const [, flags] = /^flags:\s*(\d+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))!;
      return [Number.parseInt(flags!, 8)];
    } catch {
      return []; // closed since the listing
    }
  });
}
