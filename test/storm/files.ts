// The files that the workers share, and what is in their pages.
import fs from 'node:fs';
import { join } from 'node:path';
import { BLOCKS, deviceBlock } from './record.ts';

export const PAGE = 4096;

/** Part of each page: a record, or what devices store into. */
export interface Area {
  readonly offset: number;
  readonly length: number;
}

/**
 * shared: any worker updates any page. devices: likewise, and a page's owner lets devices store into its last part.
 * owned: only a page's owner changes it, by writes, so that these need not read first; it grows. cut: any worker does
 * anything, truncate too, so only the form of its pages is known. small: opened and closed all the time.
 */
type FileKind = 'shared' | 'devices' | 'owned' | 'cut' | 'small';

export interface FileSpec {
  readonly number: number;
  readonly kind: FileKind;
  readonly path: string;
  /** All open it so. */
  readonly direct: boolean;
  /** A descriptor past the cache, for all threads: what is in the file itself. */
  readonly fd: number;
  /** The most it may have. */
  readonly pages: number;
  readonly records: readonly Area[];
  readonly device: Area | undefined;
  /** Its first area among all on the board. */
  readonly first: number;
}

/** Where devices' bytes come from. */
export interface Devices {
  /** A file of blocks, and how many. */
  readonly fd: number;
  readonly blocks: number;
  /** A pipe that somebody fills block by block, some time after it was asked. */
  readonly slowFd: number;
  readonly feedFd: number;
}

export const DEVICE: Area = { offset: 3072, length: 1024 };
const WHOLE: Area = { offset: 0, length: PAGE };
const FRONT: Area = { offset: 0, length: DEVICE.offset };
/** A write of the owned file may begin in one page and end in the next. */
const HALVES: readonly Area[] = [
  { offset: 0, length: 1024 },
  { offset: 1024, length: PAGE - 1024 },
];

const SMALL_FILES = 8;
/** Pages of an owned file that belong together: a write spans pages of one owner. */
const CHUNK = 4;
/** Pages that the owned file has at first. */
export const OWNED_PAGES = 256;

const plan: { kind: FileKind; pages: number; size: number; records: readonly Area[]; device?: Area }[] = [
  { kind: 'shared', pages: 700, size: 700, records: [WHOLE] },
  { kind: 'devices', pages: 350, size: 350, records: [FRONT], device: DEVICE },
  { kind: 'owned', pages: 4096, size: OWNED_PAGES, records: HALVES },
  { kind: 'cut', pages: 96, size: 48, records: [FRONT], device: DEVICE },
  ...Array.from({ length: SMALL_FILES }, () => ({
    kind: 'small' as const,
    pages: 4,
    size: 4,
    records: [WHOLE],
  })),
];

export const areaOf = (file: FileSpec, page: number, record: number) =>
  file.first + page * file.records.length + record;

/** The slot whose worker alone writes the page, or lets devices store into it. */
export const ownerOf = (page: number, slots: number) => Math.floor(page / CHUNK) % slots;

/** The files, in `directory`, and how many records they may hold. `isDirect` is asked for each. */
export function createFiles(
  directory: string,
  isDirect: () => boolean,
): { files: FileSpec[]; areas: number } {
  let areas = 0;
  const files = plan.map(({ kind, pages, size, records, device }, number): FileSpec => {
    const path = join(directory, `${kind}-${number}`);
    fs.writeFileSync(path, '');
    fs.truncateSync(path, size * PAGE);
    const first = areas;
    areas += pages * records.length;
    return {
      number,
      kind,
      path,
      direct: isDirect(),
      fd: fs.openSync(path, 'r'),
      pages,
      records,
      device,
      first,
    };
  });
  return { files, areas };
}

/** The devices. `pipe` is the path of a FIFO. */
export function createDevices(directory: string, pipe: string): Devices {
  const path = join(directory, 'source');
  fs.writeFileSync(
    path,
    Buffer.concat(Array.from({ length: BLOCKS }, (_, n) => deviceBlock(n, DEVICE.length))),
  );
  const slowFd = fs.openSync(pipe, fs.constants.O_RDWR); // both ways, so that the open does not wait for the other end
  // A description of its own: who feeds must not block, who reads must.
  const feedFd = fs.openSync(pipe, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  return { fd: fs.openSync(path, 'r'), blocks: BLOCKS, slowFd, feedFd };
}

/** A slow device stores a block: false if it has as many as its pipe holds. */
export function feedDevice({ feedFd }: Devices, block: number): boolean {
  try {
    fs.writeSync(feedFd, deviceBlock(block, DEVICE.length));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    return false;
  }
}

const pages = Buffer.alloc(2 * PAGE);

/** What is in the file itself, up to its end; zeros from there on. */
export function readFileItself(file: FileSpec, page: number, { offset, length }: Area): Buffer {
  const bytes = pages.subarray(0, length);
  const n = fs.readSync(file.fd, bytes, 0, length, page * PAGE + offset);
  bytes.fill(0, n);
  return bytes;
}
