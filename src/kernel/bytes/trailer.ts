// A page with a checksum, as it is in the store: payload, used length, CRC-32C.
//
//   0                                      pageSize − 8      pageSize − 4
//   +--------------------------------------+-----------------+-----------+
//   | payload; zero from the used length on | used (1 … n)    | CRC       |
//   +--------------------------------------+-----------------+-----------+
//
// The CRC's seed is the page's index, so a page in another's place is no good page; it covers payload and used length, and
// its own four bytes as zeros, so that the length is one that goes into blocks. Little-endian. A page that is all zeros is a
// hole of the file: nothing was written there, and all of its payload counts.
import { crc32c } from './crc32c';

const TRAILER: usize = 8;
const CRC: usize = 4;

/** Makes the copy of a page what the store is to have: zeros behind `used` bytes, and the trailer. */
export function seal(page: usize, pageSize: usize, index: i32, used: usize): void {
  const trailer = page + pageSize - TRAILER;
  memory.fill(page + used, 0, pageSize - TRAILER - used);
  store<u32>(trailer, <u32>used);
  store<u32>(trailer, 0, CRC);
  store<u32>(trailer, crc32c(page, pageSize, index), CRC);
}

/** How many bytes of the page's payload are used, at least 1; 0: it is not the page that was written. */
export function check(page: usize, pageSize: usize, index: i32): usize {
  const trailer = page + pageSize - TRAILER;
  const used: usize = load<u32>(trailer);
  if (used == 0) return isZero(page, pageSize) ? pageSize - TRAILER : 0;
  if (used > pageSize - TRAILER) return 0;
  const crc = load<i32>(trailer, CRC);
  store<u32>(trailer, 0, CRC);
  const found = crc32c(page, pageSize, index);
  store<i32>(trailer, crc, CRC);
  return found == crc ? used : 0;
}

/** Whether a page is all zeros. */
function isZero(page: usize, pageSize: usize): bool {
  for (const end = page + pageSize; page < end; page += 16) if (v128.any_true(v128.load(page))) return false;
  return true;
}
