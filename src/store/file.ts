import fs from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { goOnDirectly, NO_DIRECT, type TransferCall } from './direct';
import type { Store } from './store';

/** The negated errno of an error thrown by `fs`. */
function errnoOf(error: unknown): number {
  const errno = (error as NodeJS.ErrnoException).errno;
  return typeof errno === 'number' && errno < 0 ? errno : -constants.errno.EIO;
}

/** Interruptions in a row after which a transfer gives up. */
export const INTERRUPTIONS_MAX = 100;

const isInterrupted = (errno: number) =>
  errno === -constants.errno.EINTR || errno === -constants.errno.EAGAIN;

/** Goes on with a transfer by the descriptors that there are. */
function goOn(
  call: TransferCall,
  fd: number,
  direct: number,
  bytes: Uint8Array,
  done: number,
  position: number,
): number {
  return direct === NO_DIRECT
    ? call(fd, bytes, done, bytes.length - done, position + done)
    : goOnDirectly(call, fd, direct, bytes, done, position);
}

/**
 * Repeats a partial transfer until all is done, the file ends (0), or an error other than EINTR. One that is interrupted
 * again and again, or told EAGAIN, ends with that: a thread must not spin for ever, and nothing is lost by an error.
 */
function transfer(length: number, step: (done: number) => number): number {
  let done = 0;
  let interruptions = 0;
  while (done < length) {
    try {
      const n = step(done);
      if (n === 0) return done;
      done += n;
      interruptions = 0;
    } catch (error) {
      const errno = errnoOf(error);
      if (!isInterrupted(errno) || ++interruptions > INTERRUPTIONS_MAX) return errno;
    }
  }
  return done;
}

/** The system calls that the store makes; a test puts failing ones in their place. */
export type FileCalls = Pick<
  typeof fs,
  'readSync' | 'writeSync' | 'fdatasyncSync' | 'ftruncateSync' | 'fstatSync'
>;

function hasSize(calls: FileCalls, fd: number, size: number): boolean {
  try {
    return calls.fstatSync(fd).size === size;
  } catch {
    return false;
  }
}

/**
 * The store of regular files: pread, pwrite, fdatasync on descriptors, through the system's cache or past it. Flushes and
 * resizes go by the plain descriptor, whichever way the bytes went: they are the file's, not the descriptor's.
 */
export const fileStoreOver = (calls: FileCalls): Store => ({
  read(fd, bytes, position, direct = NO_DIRECT) {
    return transfer(bytes.length, (done) => goOn(calls.readSync, fd, direct, bytes, done, position));
  },

  write(fd, bytes, position, direct = NO_DIRECT) {
    const n = transfer(bytes.length, (done) => goOn(calls.writeSync, fd, direct, bytes, done, position));
    // A write of nothing without an error is not in POSIX for regular files: it must not pass for success.
    return n >= 0 && n < bytes.length ? -constants.errno.EIO : n;
  },

  flush(fd) {
    try {
      calls.fdatasyncSync(fd); // Node retries EINTR; should it come through, nobody knows what is stable: a failure
      return 0;
    } catch (error) {
      return errnoOf(error);
    }
  },

  resize(fd, size) {
    try {
      calls.ftruncateSync(fd, size);
      return 0;
    } catch (error) {
      // A file system may change the size and fail at what comes after it: then the file has no other size to go back to.
      return hasSize(calls, fd, size) ? 0 : errnoOf(error);
    }
  },

  identity(fd) {
    try {
      return fs.fstatSync(fd, { bigint: true });
    } catch {
      return undefined;
    }
  },

  syncDirectory(fd) {
    // The path may have changed since the open, so the kernel is asked. Without /proc the entry is not synced by us.
    let path: string;
    try {
      path = fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return 0;
    }
    if (path.endsWith(' (deleted)')) return 0;
    try {
      const directory = fs.openSync(dirname(path), 'r');
      try {
        fs.fsyncSync(directory);
      } finally {
        fs.closeSync(directory);
      }
      return 0;
    } catch (error) {
      return errnoOf(error);
    }
  },
});

export const fileStore: Store = fileStoreOver(fs);
