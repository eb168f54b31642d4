// `pinfold/top`: lets another process look at a running cache. A cache lives in one process, so the program serves what
// `pinfold-top` shows, by a socket of the file system. It costs nothing as long as nobody asks.
//
// It imports nothing but types from the library, since it is bundled by itself.
import fs from 'node:fs';
import net from 'node:net';
import type { PageCache } from './cache';
import type { PageInfo } from './pages';
import type { CacheStats } from './stats';

/** Moves with every change that an older `pinfold-top` would not understand. */
export const TOP_VERSION = 1;

/** A pinned page, as a snapshot tells of it. */
export type PinnedPage = Pick<PageInfo, 'file' | 'index' | 'dirty' | 'writeback' | 'pins'>;

/** What is sent for each line that a client sends: one line of JSON. */
export interface Snapshot {
  readonly version: typeof TOP_VERSION;
  readonly pid: number;
  /** Ms since the epoch. */
  readonly time: number;
  readonly stats: CacheStats;
  /** Pages that are pinned: so many of them at the most, and how many there are in all. */
  readonly pinned: readonly PinnedPage[];
  readonly pinnedPages: number;
}

/** Pinned pages that a snapshot tells of. */
const PINNED_MAX = 200;
/** A client that sends more than this without an end of line is none of ours, in bytes. */
const REQUEST_MAX = 1024;

export interface TopServer {
  /** Where it listens. */
  readonly path: string;
  /** Stops it and removes the socket. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A snapshot of the cache: what `pinfold-top` is sent. */
export function snapshotOf(cache: PageCache): Snapshot {
  const pinned: PinnedPage[] = [];
  let pinnedPages = 0;
  for (const { file, index, dirty, writeback, pins } of cache.pages({ pinned: true })) {
    if (++pinnedPages <= PINNED_MAX) pinned.push({ file, index, dirty, writeback, pins });
  }
  return {
    version: TOP_VERSION,
    pid: process.pid,
    time: Date.now(),
    stats: cache.stats(),
    pinned,
    pinnedPages,
  };
}

/**
 * Serves snapshots of the cache at a path, for this user alone: `npx pinfold-top PATH` shows them. Any attached thread can
 * serve them. It keeps no event loop alive. A socket that a process left behind is replaced. Throws ERR_PINFOLD_ARGUMENT;
 * ERR_PINFOLD_CONFLICT if another process serves there; what the system says of the path.
 */
export async function serveTop(cache: PageCache, path: string): Promise<TopServer> {
  if (typeof path !== 'string' || path === '') {
    const message = `path must be a non-empty string, got ${JSON.stringify(path)}`;
    throw Object.assign(new TypeError(message), { code: 'ERR_PINFOLD_ARGUMENT' });
  }
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.unref();
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy()); // who asked is gone
    answer(cache, socket);
  });
  await listen(server, path);
  server.unref();
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve)); // Node removes the socket
  };
  return { path, close, [Symbol.asyncDispose]: close };
}

function answer(cache: PageCache, socket: net.Socket): void {
  let unread = 0;
  socket.on('data', (chunk) => {
    let lines = 0;
    for (const byte of chunk as Buffer) {
      if (byte === 0x0a) {
        lines++;
        unread = 0;
      } else if (++unread > REQUEST_MAX) {
        socket.destroy();
        return;
      }
    }
    if (lines > 0) send(cache, socket);
  });
}

/** However many lines have come at once: what they ask for is the same. */
function send(cache: PageCache, socket: net.Socket): void {
  try {
    socket.write(`${JSON.stringify(snapshotOf(cache))}\n`);
  } catch (error) {
    socket.end(`${JSON.stringify({ version: TOP_VERSION, error: (error as Error).message })}\n`); // it is closed
  }
}

async function listen(server: net.Server, path: string): Promise<void> {
  try {
    await listening(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (await answers(path)) {
      const conflict = new Error(`another process serves at '${path}'`, { cause: error });
      throw Object.assign(conflict, { code: 'ERR_PINFOLD_CONFLICT' });
    }
    fs.unlinkSync(path);
    await listening(server, path);
  }
  fs.chmodSync(path, 0o600);
}

function listening(server: net.Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Whether somebody listens at the path. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    const end = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
