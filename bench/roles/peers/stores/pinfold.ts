import { PageCache } from 'pinfold';
import { eightOf, PAGE } from '../pages';
import type { Store, StoreTask } from './store';

const MIB = 1 << 20;

/** A cache that holds all of the store, for the threads of this process. */
export function createCache(pages: number): Promise<PageCache> {
  return PageCache.create({ memory: Math.ceil((pages * PAGE * 1.1) / MIB) * MIB + 8 * MIB });
}

export function openPinfold({ handle, path, mode }: StoreTask): Store {
  const cache = PageCache.attach(handle!);
  const file = cache.openSync(path);
  const target = Buffer.alloc(PAGE);
  return {
    eight: (page, at) => file.viewSync(page, eightOf, at),
    whole(page, at) {
      file.readSync(target, page * PAGE);
      return eightOf(target, at);
    },
    bytes(page) {
      file.readSync(target, page * PAGE);
      return target;
    },
    commit:
      mode === 'async'
        ? async (page, bytes) => {
            file.writeSync(bytes, page * PAGE);
            await file.fsync();
          }
        : (page, bytes) => {
            file.writeSync(bytes, page * PAGE);
            file.fsyncSync();
          },
    close() {
      file.closeSync();
      cache.detach();
    },
  };
}
