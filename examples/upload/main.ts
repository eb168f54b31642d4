// npm run example:upload [-- --uploads N --bytes N]: uploads come in over loopback, and are received straight into pinned pages, each
// by a thread of its own, while another thread syncs all of them, again and again.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PageCache } from 'pinfold';
import { HEADER_BYTES, writeHeader } from './receiver.ts';
import { offer } from './uploader.ts';
import type { Syncs, WorkerData } from './worker.ts';

const { values } = parseArgs({
  options: { uploads: { type: 'string', default: '4' }, bytes: { type: 'string', default: '8000001' } },
});
const uploads = wholeNumber('uploads', 16);
const bytes = wholeNumber('bytes', 2 ** 30);

function wholeNumber(name: 'uploads' | 'bytes', most: number): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new RangeError(`--${name} must be a whole number from 1 to ${most}, got '${values[name]}'`);
}

const directory = fs.mkdtempSync(join(tmpdir(), 'pinfold-upload-'));
process.once('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const paths = Array.from({ length: uploads }, (_, n) => join(directory, `upload-${n}`));
const cache = await PageCache.create({ memory: 16 * 2 ** 20 });
const files = await Promise.all(paths.map((path) => cache.open(path, { create: true })));
const done = new Int32Array(new SharedArrayBuffer(4));
const headers = new Int32Array(new SharedArrayBuffer(4 * uploads));

/** What a thread tells; rejects if it ends without telling. */
function inThread<T>(from: WorkerData['from']): Promise<T> {
  const workerData: WorkerData = { handle: cache.handle, paths, from, headers, done };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread ended with exit code ${code}`)));
  });
}

/** One upload: the SHA-256 of what was sent. */
async function upload(number: number): Promise<string> {
  const { port, sent, close } = await offer(bytes);
  try {
    await inThread({ number, port });
    await files[number].fsync(); // what had come before this call is on the disk when it returns
  } finally {
    close();
  }
  return await sent;
}

/** The SHA-256 of what the file has behind the headers, by plain fs: whatever the cache holds. */
function hashOf(number: number): string {
  const { pageSize } = files[number];
  const file = fs.readFileSync(paths[number]);
  const hash = createHash('sha256');
  const header = Buffer.alloc(HEADER_BYTES);
  for (let page = 0; page * pageSize < file.length; page++) {
    const part = file.subarray(page * pageSize, (page + 1) * pageSize);
    writeHeader(header, { upload: number, page });
    if (!part.subarray(0, HEADER_BYTES).equals(header)) return `page ${page} has no header`;
    hash.update(part.subarray(HEADER_BYTES));
  }
  return hash.digest('hex');
}

const syncing = inThread<Syncs>(undefined);
let sent: string[];
try {
  sent = await Promise.all(paths.map((_, number) => upload(number)));
} finally {
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
}
const { fsyncs, bounced, longestMs, missing } = await syncing;
const wrong = sent.filter((hash, number) => hashOf(number) !== hash).length;
await cache.close();
console.log(
  `${uploads} uploads of ${bytes} bytes; ${fsyncs} fsyncs meanwhile, the longest ${longestMs.toFixed(1)} ms`,
);
console.log(`${bounced} pages bounced: they were pinned for the next receive, and written from a copy`);
console.log(`${missing} headers were not in the file after an fsync that had to write them`);
console.log(`${uploads - wrong} of ${uploads} files have, by SHA-256, what was sent`);
process.exitCode = wrong + missing === 0 ? 0 : 1;
