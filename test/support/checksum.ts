// Files with checksums as they are in the store, told by plain code of its own: what the library writes must be this.
import fs from 'node:fs';

export const PAGE = 4096;
/** What users see of a page. */
export const PAYLOAD = PAGE - 8;

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
  return register;
});

function crc32c(bytes: Uint8Array, before: number): number {
  let register = ~before;
  for (const byte of bytes) register = (register >>> 8) ^ table[(register ^ byte) & 0xff]!;
  return ~register >>> 0;
}

/** The page as it is in the store. */
export function sealed(index: number, content: Uint8Array): Buffer {
  const page = Buffer.alloc(PAGE);
  page.set(content);
  page.writeUInt32LE(content.length, PAYLOAD);
  page.writeUInt32LE(crc32c(page, index), PAGE - 4);
  return page;
}

/** What a page of the store says: its content, or undefined if it is not the page that was written. */
function unsealed(index: number, page: Buffer): Buffer | undefined {
  if (page.length !== PAGE) return undefined;
  if (page.every((byte) => byte === 0)) return Buffer.alloc(PAYLOAD);
  const used = page.readUInt32LE(PAYLOAD);
  if (used < 1 || used > PAYLOAD) return undefined;
  const content = page.subarray(0, used);
  return sealed(index, content).equals(page) ? content : undefined;
}

/** All that is in the file itself. Throws if a page is not good. */
export const contentOf = (path: string): Buffer => contentIn(fs.readFileSync(path));

/** The same of bytes as a store has them. */
export function contentIn(stored: Buffer): Buffer {
  const pages = Array.from({ length: Math.ceil(stored.length / PAGE) }, (_, index) => {
    const content = unsealed(index, stored.subarray(index * PAGE, (index + 1) * PAGE));
    if (content === undefined)
      throw new Error(`page ${index} of ${stored.length / PAGE} in the store is not good`);
    return content;
  });
  // Before the last page all of a page counts, whatever it was when the file ended there.
  return Buffer.concat(
    pages.map((content, index) =>
      index < pages.length - 1 ? Buffer.concat([content, Buffer.alloc(PAYLOAD - content.length)]) : content,
    ),
  );
}

/** Writes a file with checksums without the library. */
export function writeSealed(path: string, content: Uint8Array): void {
  const pages = Array.from({ length: Math.ceil(content.length / PAYLOAD) }, (_, index) =>
    sealed(index, content.subarray(index * PAYLOAD, (index + 1) * PAYLOAD)),
  );
  fs.writeFileSync(path, Buffer.concat(pages));
}

/** Changes bytes of a file past the cache. */
export function tamper(path: string, position: number, change: (bytes: Buffer) => void, length = 1): void {
  const fd = fs.openSync(path, 'r+');
  try {
    const bytes = Buffer.alloc(length);
    fs.readSync(fd, bytes, 0, length, position);
    change(bytes);
    fs.writeSync(fd, bytes, 0, length, position);
  } finally {
    fs.closeSync(fd);
  }
}
