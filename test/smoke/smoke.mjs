// The built package as an ES module: two threads, one file, an fsync past a live write pin. Exits non-zero if anything is off.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { PageCache } from 'pinfold';

const PAGE = 4096;
const WATCHDOG_MS = 40_000;

/** Pins a page to write and stores a word; when told to go on, a second one; then unpins. */
async function device({ handle, path }) {
  const cache = PageCache.attach(handle);
  const file = cache.openSync(path);
  assert.equal(
    file.viewSync(3, (bytes) => bytes[0]),
    3,
  );
  const page = await file.pin(1, 'write');
  page.bytes[0] = 0xaa;
  parentPort.postMessage('pinned');
  await once(parentPort, 'message');
  page.bytes[1] = 0xbb;
  page.unpin();
  assert.throws(() => page.bytes, { code: 'ERR_PINFOLD_UNPINNED' });
  cache.detach();
  parentPort.postMessage('done');
}

/** The checksum's instructions are vectors', which each line of V8 compiles in its own way. */
async function checksums(cache, path) {
  const file = await cache.open(path, { create: true, checksum: 'crc32c' });
  file.writeSync(Buffer.from('123456789'), 0);
  await file.fsync();
  await file.close();
  const stored = fs.readFileSync(path);
  assert.equal(stored.length, PAGE);
  assert.equal(stored.readUInt32LE(PAGE - 8), 9);
  const copy = `${path}-copy`;
  fs.writeFileSync(copy, stored);
  const again = await cache.open(copy, { checksum: 'crc32c' });
  assert.equal(again.size, 9);
  assert.equal(
    again.viewSync(0, (page) => Buffer.from(page).toString('latin1', 0, 9)),
    '123456789',
  );
  await again.close();
  stored[3] ^= 1;
  fs.writeFileSync(`${path}-torn`, stored);
  const torn = cache.open(`${path}-torn`, { checksum: 'crc32c' });
  await assert.rejects(torn, { code: 'ERR_PINFOLD_CHECKSUM', page: 0 });
}

async function main() {
  process.exitCode = 1; // until all has been well: an event loop that runs dry is a failure, too
  const watchdog = setTimeout(() => {
    console.error(`not done within ${WATCHDOG_MS} ms`);
    process.exit(1);
  }, WATCHDOG_MS);
  const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-smoke-'));
  try {
    const path = join(directory, 'data');
    fs.writeFileSync(path, Buffer.concat([0, 1, 2, 3].map((value) => Buffer.alloc(PAGE, value))));
    const cache = await PageCache.create({ memory: 8 << 20, fsyncPolicy: 'bounce' });
    const file = await cache.open(path);
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { handle: cache.handle, path } });
    const [answer] = await once(worker, 'message');
    assert.equal(answer, 'pinned');

    await file.write(Buffer.from('written'), PAGE + 100); // beside what the device does
    const report = await file.fsync();
    assert.equal(report.bounced, 1);
    assert.equal(report.pages, 1);
    assert.equal(cache.stats().writePins, 1);
    let bytes = fs.readFileSync(path);
    assert.equal(bytes[PAGE], 0xaa);
    assert.equal(bytes.toString('latin1', PAGE + 100, PAGE + 107), 'written');

    const exited = once(worker, 'exit');
    worker.postMessage('go on');
    assert.deepEqual(await exited, [0]);
    assert.equal(file.fsyncSync().pages, 1);
    bytes = fs.readFileSync(path);
    assert.deepEqual([...bytes.subarray(PAGE, PAGE + 3)], [0xaa, 0xbb, 1]);
    assert.equal(await file.view(1, (page) => page[1]), 0xbb);

    await checksums(cache, join(directory, 'checksums'));
    file.writeSync(Buffer.from('end'), 4 * PAGE); // for close to write
    await cache.close();
    assert.equal(fs.readFileSync(path).toString('latin1', 4 * PAGE), 'end');
    await assert.rejects(cache.open(path), { code: 'ERR_PINFOLD_CLOSED' });
    process.exitCode = 0;
  } finally {
    clearTimeout(watchdog);
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

await (isMainThread ? main() : device(workerData));
