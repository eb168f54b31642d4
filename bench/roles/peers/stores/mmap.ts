import fs from 'node:fs';
import { load } from '../installed';
import { eightOf, PAGE } from '../pages';
import type { Store, StoreTask } from './store';

interface MmapIo {
  map(size: number, protection: number, flags: number, fd: number): Buffer;
  sync(buffer: Buffer, offset: number, length: number, blocking: boolean): void;
  PROT_READ: number;
  PROT_WRITE: number;
  MAP_SHARED: number;
}

export function openMmap({ path }: StoreTask): Store {
  const mmap = load<MmapIo>('@riaskov/mmap-io');
  const fd = fs.openSync(path, 'r+');
  const mapping = mmap.map(fs.fstatSync(fd).size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd);
  const target = Buffer.alloc(PAGE);
  return {
    eight: (page, at) => eightOf(mapping, page * PAGE + at),
    whole(page, at) {
      mapping.copy(target, 0, page * PAGE, (page + 1) * PAGE);
      return eightOf(target, at);
    },
    bytes: (page) => mapping.subarray(page * PAGE, (page + 1) * PAGE),
    commit(page, bytes) {
      mapping.set(bytes, page * PAGE);
      mmap.sync(mapping, page * PAGE, PAGE, true);
    },
    // The mapping goes with the thread.
    close: () => fs.closeSync(fd),
  };
}
