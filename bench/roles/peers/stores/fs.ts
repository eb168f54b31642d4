// No cache but the system's.
import fs from 'node:fs';
import { eightOf, PAGE } from '../pages';
import type { Store, StoreTask } from './store';

export function openFs(task: StoreTask): Store {
  const fd = fs.openSync(task.path, 'r+');
  return task.mode === 'async' ? withCallbacks(fd) : inPlace(fd);
}

function inPlace(fd: number): Store {
  const target = Buffer.alloc(PAGE);
  return {
    eight(page, at) {
      fs.readSync(fd, target, 0, 8, page * PAGE + at);
      return eightOf(target, 0);
    },
    whole(page, at) {
      fs.readSync(fd, target, 0, PAGE, page * PAGE);
      return eightOf(target, at);
    },
    bytes(page) {
      fs.readSync(fd, target, 0, PAGE, page * PAGE);
      return target;
    },
    commit(page, bytes) {
      fs.writeSync(fd, bytes, 0, PAGE, page * PAGE);
      fs.fdatasyncSync(fd);
    },
    close: () => fs.closeSync(fd),
  };
}

function withCallbacks(fd: number): Store {
  const target = Buffer.alloc(PAGE);
  const read = (length: number, position: number) =>
    new Promise<void>((resolve, reject) => {
      fs.read(fd, target, 0, length, position, (error) => (error ? reject(error) : resolve()));
    });
  return {
    async eight(page, at) {
      await read(8, page * PAGE + at);
      return eightOf(target, 0);
    },
    async whole(page, at) {
      await read(PAGE, page * PAGE);
      return eightOf(target, at);
    },
    async bytes(page) {
      await read(PAGE, page * PAGE);
      return target;
    },
    commit: (page, bytes) =>
      new Promise<void>((resolve, reject) => {
        const done = (error: Error | null) => (error ? reject(error) : resolve());
        fs.write(fd, bytes, 0, PAGE, page * PAGE, (error) =>
          error ? reject(error) : fs.fdatasync(fd, done),
        );
      }),
    close: () => fs.closeSync(fd),
  };
}
