// One thread of the readahead stress: it scans the file, or counts pages of it up at random. What the threads tell each
// other, by page: the count of the last update that has begun, and of the last that has returned.
import { parentPort, workerData } from 'node:worker_threads';
import { attachHarness } from '#harness';

const { handle, path, pages, role, access, begun, returned, ms, seed } = workerData;
const PAGE = 4096;
const WORDS = PAGE / 4;
const [begins, returns] = [new Int32Array(begun), new Int32Array(returned)];
const cache = attachHarness(handle);
const file = cache.openSync(path, { access });
const end = performance.now() + ms;
const counts = {};
const bump = (what) => {
  counts[what] = (counts[what] ?? 0) + 1;
};

let state = seed;
function random(n) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}

/** All words of a page are its count. */
function countOf(bytes, from) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + from, WORDS);
  const count = words[0];
  return words.every((word) => word === count) ? count : -1;
}

function look(index, least, bytes, from = 0) {
  const count = countOf(bytes, from);
  const most = Atomics.load(begins, index);
  if (count === -1) throw new Error(`page ${index} is of two counts`);
  if (count < least || count > most)
    throw new Error(`page ${index} counts ${count}: ${least} had returned, ${most} have begun`);
  bump('pages');
}

async function scan() {
  const block = new Uint8Array(64 * PAGE);
  for (let n = seed; performance.now() < end; n++) {
    const way = n % 4;
    if (way === 0) {
      const least = Array.from({ length: pages }, (_, index) => Atomics.load(returns, index));
      for (let first = 0; first < pages; first += 64) {
        file.readSync(block, first * PAGE);
        for (let k = 0; k < Math.min(64, pages - first); k++)
          look(first + k, least[first + k], block, k * PAGE);
      }
    } else if (way === 1) {
      const stride = [1, 2, 5, -1][n % 3];
      for (let index = stride > 0 ? 0 : pages - 1; index >= 0 && index < pages; index += stride) {
        const least = Atomics.load(returns, index);
        file.viewSync(index, (bytes) => look(index, least, bytes.slice()));
      }
    } else if (way === 2) {
      for (let index = 0; index < pages && performance.now() < end; index++) {
        const least = Atomics.load(returns, index);
        await file.view(index, (bytes) => look(index, least, bytes.slice()));
      }
    } else await file.prefetch(random(pages), random(pages));
    bump('scans');
  }
}

function write() {
  while (performance.now() < end) {
    const first = random(pages);
    for (let index = first; index < Math.min(pages, first + 8); index++) {
      if (index % 3 !== seed % 3) continue; // each page is one writer's
      const count = Atomics.add(begins, index, 1) + 1;
      file.updateSync(index, (bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, WORDS).fill(count));
      Atomics.store(returns, index, count);
      bump('updates');
    }
    if (random(4) === 0) file.fsyncSync();
  }
}

try {
  if (role === 'write') write();
  else await scan();
  cache.detach();
  parentPort.postMessage({ counts });
} catch (error) {
  parentPort.postMessage({ error: error.message, code: error.code });
}
