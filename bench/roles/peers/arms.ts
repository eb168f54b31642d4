// Who takes part, by which calls.
import type { PackageName } from './installed';

/** What is measured. `eight`, `whole`: a cached read of 8 bytes, of a page. */
export type Measure = 'eight' | 'whole' | 'commit' | 'memory' | 'start';

export type StoreName = 'pinfold' | 'fs' | 'lru' | 'lmdb' | 'mmap' | 'sqlite' | 'none';
/** How a store is used: `sync` and `async` calls; `fast` is lmdb's read into a buffer that is used again. */
export type Mode = 'sync' | 'async' | 'fast';

export interface Arm {
  id: string;
  /** As tables name it. */
  name: string;
  store: StoreName;
  mode: Mode;
  /** By measure: the calls; it takes no part in a measure that is not there. */
  calls: Partial<Record<Measure, string>>;
  /** The arm of pinfold that it is compared with; null for that arm itself. */
  against: string | null;
  /** It is that arm once more: what differs between the two is the machine. */
  again?: boolean;
}

const PINFOLD_CALLS = {
  eight: 'viewSync',
  whole: 'readSync',
  commit: 'writeSync + fsyncSync',
  memory: 'readSync',
  start: 'attach, openSync, viewSync',
};
const PINFOLD_ASYNC_CALLS = { commit: 'writeSync + await fsync' };

export const ARMS: readonly Arm[] = [
  { id: 'pinfold', name: 'pinfold', store: 'pinfold', mode: 'sync', calls: PINFOLD_CALLS, against: null },
  {
    id: 'pinfold-again',
    name: 'pinfold again (A/A)',
    store: 'pinfold',
    mode: 'sync',
    calls: PINFOLD_CALLS,
    against: 'pinfold',
    again: true,
  },
  {
    id: 'pinfold-async',
    name: 'pinfold',
    store: 'pinfold',
    mode: 'async',
    calls: PINFOLD_ASYNC_CALLS,
    against: null,
  },
  {
    id: 'pinfold-async-again',
    name: 'pinfold again (A/A)',
    store: 'pinfold',
    mode: 'async',
    calls: PINFOLD_ASYNC_CALLS,
    against: 'pinfold-async',
    again: true,
  },
  {
    id: 'fs',
    name: 'fs',
    store: 'fs',
    mode: 'sync',
    calls: {
      eight: 'readSync',
      whole: 'readSync',
      commit: 'writeSync + fdatasyncSync',
      memory: 'readSync',
      start: 'openSync, readSync',
    },
    against: 'pinfold',
  },
  {
    id: 'fs-async',
    name: 'fs',
    store: 'fs',
    mode: 'async',
    calls: { eight: 'read', whole: 'read', commit: 'write + fdatasync' },
    against: 'pinfold',
  },
  {
    id: 'lru-cache',
    name: 'lru-cache',
    store: 'lru',
    mode: 'sync',
    calls: { eight: 'get', whole: 'get + copy', memory: 'get', start: 'its first miss, by readSync' },
    against: 'pinfold',
  },
  {
    id: 'lmdb-fast',
    name: 'lmdb',
    store: 'lmdb',
    mode: 'fast',
    calls: {
      eight: 'getBinaryFast',
      whole: 'getBinaryFast',
      memory: 'getBinaryFast',
      start: 'open, getBinaryFast',
    },
    against: 'pinfold',
  },
  {
    id: 'lmdb-sync',
    name: 'lmdb',
    store: 'lmdb',
    mode: 'sync',
    calls: { eight: 'get', whole: 'get', commit: 'transactionSync' },
    against: 'pinfold',
  },
  {
    id: 'lmdb-async',
    name: 'lmdb',
    store: 'lmdb',
    mode: 'async',
    calls: { commit: 'await put + flushed' },
    against: 'pinfold-async',
  },
  {
    id: 'mmap-io',
    name: 'mmap-io',
    store: 'mmap',
    mode: 'sync',
    calls: {
      eight: 'its Buffer',
      whole: 'its Buffer, copy',
      commit: 'copy + sync(true)',
      memory: 'its Buffer',
      start: 'map, its Buffer',
    },
    against: 'pinfold',
  },
  {
    id: 'sqlite',
    name: 'sqlite',
    store: 'sqlite',
    mode: 'sync',
    calls: {
      eight: 'substr of a blob by key',
      whole: 'blob by key',
      commit: 'update, WAL, FULL',
      memory: 'blob by key',
      start: 'open, blob by key',
    },
    against: 'pinfold',
  },
  { id: 'bare', name: 'bare worker', store: 'none', mode: 'sync', calls: { start: '' }, against: 'pinfold' },
];

/** The arm that `arm` is compared with in this measure: async calls have no reads of their own to compare with. */
export function againstOf({ against, mode, calls }: Arm, measure: Measure): string | null {
  return measure === 'commit' && mode === 'async' && calls.commit !== undefined && against !== null
    ? 'pinfold-async'
    : against;
}

/** The package that a store needs, if it is none of this one's own. */
export const PACKAGE_OF: Partial<Record<StoreName, PackageName>> = {
  lmdb: 'lmdb',
  mmap: '@riaskov/mmap-io',
  sqlite: 'better-sqlite3',
};
