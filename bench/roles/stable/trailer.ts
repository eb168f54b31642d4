// Whether a page with a checksum is the one that was written, told by plain code: none of the library's.
import { TRAILER_BYTES } from './task';

/** CRC-32C, a byte at a time. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
  return register;
});

/** Of a page whose last four bytes are its CRC: computed over all of it, those four as zeros. The page's index is the seed. */
function crcOf(page: Buffer, index: number): number {
  let register = ~index;
  const covered = page.length - 4;
  for (let n = 0; n < covered; n++) register = (register >>> 8) ^ TABLE[(register ^ page[n]!) & 0xff]!;
  for (let n = 0; n < 4; n++) register = (register >>> 8) ^ TABLE[register & 0xff]!;
  return ~register >>> 0;
}

/** Whether the bytes are a whole page `index` of a file with checksums, all of its payload used. */
export function isGoodPage(page: Buffer, index: number): boolean {
  const payload = page.length - TRAILER_BYTES;
  return page.readUInt32LE(payload) === payload && page.readUInt32LE(payload + 4) === crcOf(page, index);
}
