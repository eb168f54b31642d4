// What a program has without a shared cache: buffers of this thread alone, filled from the file as they are missed.
import fs from 'node:fs';
import { LRUCache } from 'lru-cache';
import { eightOf, PAGE } from '../pages';
import type { Store, StoreTask } from './store';

export function openLru({ path, pages }: StoreTask): Store {
  const fd = fs.openSync(path, 'r');
  const lru = new LRUCache<number, Buffer>({ max: pages + 1 });
  const target = Buffer.alloc(PAGE);
  const get = (page: number): Buffer => {
    const found = lru.get(page);
    if (found !== undefined) return found;
    const bytes = Buffer.alloc(PAGE);
    fs.readSync(fd, bytes, 0, PAGE, page * PAGE);
    lru.set(page, bytes);
    return bytes;
  };
  return {
    eight: (page, at) => eightOf(get(page), at),
    whole(page, at) {
      get(page).copy(target);
      return eightOf(target, at);
    },
    bytes: get,
    close: () => fs.closeSync(fd),
  };
}
