// The built package by require: a worker writes and syncs while the main thread sleeps. Exits non-zero if anything is off.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { isMainThread, Worker, workerData } = require('node:worker_threads');
const { PageCache } = require('pinfold');

const PAGE = 4096;
const WATCHDOG_MS = 40_000;
const STEP_MS = 20_000;

/** Writes through a pin and by `write`, and syncs, all in place. */
function writer({ handle, path, flags }) {
  const cache = PageCache.attach(handle);
  Atomics.store(flags, 0, 1);
  Atomics.notify(flags, 0);
  const file = cache.openSync(path);
  const page = file.pinSync(0, 'write');
  page.bytes.fill(0x5a, 0, 10);
  file.writeSync(Buffer.of(0x59), 20); // dirties the pinned page: the pin alone does not
  file.writeSync(Buffer.from('second page'), PAGE);
  const bounced = file.fsyncSync().bounced;
  const past = fs.readFileSync(path)[9];
  page.bytes[9] = 0x5b;
  page.unpin();
  const { pages } = file.fsyncSync();
  cache.detach();
  Atomics.store(flags, 1, bounced === 1 && past === 0x5a && pages === 1 ? 1 : 2);
  Atomics.notify(flags, 1);
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
    fs.writeFileSync(path, Buffer.alloc(PAGE, 1));
    const cache = await PageCache.create({ memory: 8 << 20 });
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(__filename, { workerData: { handle: cache.handle, path, flags } });
    const exited = new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', resolve);
    });
    while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.notEqual(Atomics.wait(flags, 1, 0, STEP_MS), 'timed-out'); // this thread is of no help
    assert.equal(flags[1], 1);
    assert.equal(await exited, 0);

    const bytes = fs.readFileSync(path);
    assert.deepEqual([...bytes.subarray(8, 11)], [0x5a, 0x5b, 1]);
    assert.equal(bytes.toString('latin1', PAGE), 'second page');
    const file = await cache.open(path, { mode: 'r' });
    assert.equal(file.size, PAGE + 11);
    const target = Buffer.alloc(100);
    assert.equal(await file.read(target, PAGE), 11);
    assert.throws(() => file.pinSync(0, 'write'), { code: 'ERR_PINFOLD_READ_ONLY' });
    await cache.close();
    process.exitCode = 0;
  } finally {
    clearTimeout(watchdog);
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

if (isMainThread) {
  main().catch((error) => {
    console.error(error);
    process.exit(1);
  });
} else writer(workerData);
