// Receives an upload straight into pinned pages: the system's own receive stores into the cache, nothing copies. Each page begins with
// a header, which an ordinary update writes before the rest is received behind it.
import net from 'node:net';
import type { CachedFile, Page } from 'pinfold';

/** An upload begins with its size, a 64-bit number. */
const SIZE_BYTES = 8;
/** A page begins with the upload's number and its own, 32 bits each. */
export const HEADER_BYTES = 8;

export interface Header {
  readonly upload: number;
  readonly page: number;
}

/** Stores a header at the start of `bytes`. */
export function writeHeader(bytes: Uint8Array, { upload, page }: Header): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  view.setUint32(0, upload);
  view.setUint32(4, page);
}

export interface Upload {
  readonly file: CachedFile;
  readonly number: number;
  /** Port of the uploader on this machine. */
  readonly port: number;
  /** The longest silence, ms. */
  readonly timeoutMs: number;
  /** Told how many pages have their header, as soon as the update that wrote it has returned. */
  readonly onHeader: (pages: number) => void;
}

/**
 * Asks an uploader for its file, and receives it. Resolves with its size in bytes as soon as it is all in the cache: it is
 * durable with the next `fsync`. Rejects if the connection fails, ends early, or is silent for too long.
 *
 * Node has `onread` for connections that a program makes, not for those that a server accepts: so the receiver connects back, to
 * the port that the uploader has told.
 */
export function receive({ file, number, port, timeoutMs, onHeader }: Upload): Promise<number> {
  return new Promise((resolve, reject) => {
    const room = file.pageSize - HEADER_BYTES;
    const head = new Uint8Array(SIZE_BYTES);
    let headBytes = 0;
    let size = -1;
    let received = 0;
    let page: Page | undefined;

    const goTo = (index: number): Page => {
      page?.unpin(); // it is dirty from here on, all that was received in it
      file.updateSync(index, writeHeader, { upload: number, page: index }, { length: HEADER_BYTES });
      onHeader(index + 1);
      page = file.pinSync(index, 'write');
      return page;
    };
    // What this returns goes to the system for the next receive, which may come at any time: the page must stay until then.
    const buffer = (): Uint8Array => {
      if (size < 0) return head.subarray(headBytes);
      if (received === size) return head; // only the end of the connection can come now
      const index = Math.floor(received / room);
      const { bytes } = page?.index === index ? page : goTo(index);
      const from = HEADER_BYTES + (received % room);
      return bytes.subarray(from, Math.min(bytes.length, from + size - received));
    };
    const callback = (bytes: number): boolean => {
      if (size >= 0) received += bytes;
      else {
        headBytes += bytes;
        if (headBytes === SIZE_BYTES) begin();
      }
      if (received === size) socket.end();
      return true;
    };
    const begin = (): void => {
      size = Number(new DataView(head.buffer).getBigUint64(0));
      file.truncateSync(size + HEADER_BYTES * Math.ceil(size / room)); // there is no page to pin beyond the end
    };
    const socket = net.connect({ port, host: '127.0.0.1', onread: { buffer, callback } });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`nothing came within ${timeoutMs} ms`)));
    let failure: Error | undefined;
    socket.once('error', (error) => {
      failure = error;
    });
    socket.once('close', () => {
      page?.unpin(); // not before: until now the system may have stored into it
      if (received === size) resolve(size);
      else {
        const ended = `the upload ended after ${received} of ${size < 0 ? 'unknown' : size} bytes`;
        reject(failure ?? new Error(ended));
      }
    });
  });
}
