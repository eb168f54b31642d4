// The real files a run works on, and their removal however the run ends.
import fs from 'node:fs';
import path from 'node:path';
import { Refused } from './refused';

export const PAGE_BYTES = 4096;
/** The data file: the pages that fsync writes (the first ones) and the 1,024 hot pages of the micro-benchmarks. */
export const DATA_PAGES = 1024;
/** What the DMA reads from. */
export const SOURCE_PAGES = 256;
/** Pages the pinners hold in the arms where fsync's own pages are free. */
const ELSEWHERE_PAGES = 64;
const FILL_BYTES = 1 << 20;

/** The path asked for can't be used. */
class FileRefused extends Refused {}

export interface FilePaths {
  data: string;
  elsewhere: string;
  source: string;
  bare: string;
}

/** Every file but one given by `--file` lies in a directory of the run's own; `remove` may be called twice, and from an exit handler. */
export class BenchFiles {
  readonly directory: string;
  readonly paths: FilePaths;
  readonly #keepData: boolean;
  readonly #extra = new Map<string, number>();

  private constructor(directory: string, data: string, keepData: boolean) {
    const inside = (name: string) => path.join(directory, name);
    this.directory = directory;
    this.paths = {
      data,
      elsewhere: inside('elsewhere.bin'),
      source: inside('source.bin'),
      bare: inside('bare.bin'),
    };
    this.#keepData = keepData;
  }

  /**
   * Creates the files, full of real blocks: fsync must not pay for allocation in one arm and not in another.
   * @param file the data file; without it a temporary one in the current directory
   * @throws FileRefused when `file` exists and `force` is false, is no regular file, or can't be written
   */
  static create(file: string | undefined, force: boolean): BenchFiles {
    const existed = file !== undefined && existsAndMayBeOverwritten(file, force);
    const parent = file === undefined ? process.cwd() : path.dirname(path.resolve(file));
    let directory: string;
    try {
      directory = fs.mkdtempSync(path.join(parent, '.pinfold-bench-'));
    } catch (cause) {
      throw new FileRefused(`cannot create files in ${parent}: ${(cause as Error).message}`);
    }
    const data = file === undefined ? path.join(directory, 'data.bin') : path.resolve(file);
    if (!existed) takeNew(data, directory);
    const files = new BenchFiles(directory, data, existed);
    try {
      layOut(files.paths.data, DATA_PAGES * PAGE_BYTES, 0);
      layOut(files.paths.elsewhere, ELSEWHERE_PAGES * PAGE_BYTES, 0);
      layOut(files.paths.source, SOURCE_PAGES * PAGE_BYTES, 0xd7);
      layOut(files.paths.bare, DATA_PAGES * PAGE_BYTES, 0);
    } catch (cause) {
      files.remove();
      throw new FileRefused(`cannot write the bench's files: ${(cause as Error).message}`);
    }
    return files;
  }

  /** A further file of `bytes`, created at first call. */
  extra(name: string, bytes: number): string {
    const file = path.join(this.directory, name);
    if (this.#extra.get(file) !== bytes) {
      layOut(file, bytes, 0);
      this.#extra.set(file, bytes);
    }
    return file;
  }

  remove(): void {
    if (!this.#keepData) fs.rmSync(this.paths.data, { force: true });
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Creates the data file: should another have come there meanwhile, it is left alone. @throws FileRefused */
function takeNew(data: string, directory: string): void {
  try {
    fs.closeSync(fs.openSync(data, 'wx', 0o600));
  } catch (cause) {
    fs.rmSync(directory, { recursive: true, force: true });
    throw new FileRefused(`cannot create ${data}: ${(cause as Error).message}`);
  }
}

/** @throws FileRefused */
function existsAndMayBeOverwritten(file: string, force: boolean): boolean {
  let found: fs.Stats | undefined;
  try {
    found = fs.statSync(file, { throwIfNoEntry: false });
  } catch (cause) {
    throw new FileRefused(`cannot use ${file}: ${(cause as Error).message}`);
  }
  if (found === undefined) return false;
  if (!found.isFile()) throw new FileRefused(`${file} is not a regular file`);
  if (!force) throw new FileRefused(`${file} exists; --force overwrites its contents`);
  return true;
}

function layOut(file: string, bytes: number, fill: number): void {
  const chunk = Buffer.alloc(Math.min(FILL_BYTES, bytes), fill);
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    for (let at = 0; at < bytes; at += chunk.length) {
      fs.writeSync(fd, chunk, 0, Math.min(chunk.length, bytes - at), at);
    }
    fs.ftruncateSync(fd, bytes);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
