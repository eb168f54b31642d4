// One thread of the truncate stress: calls at random on one file whose end moves all the time. Whole pages are stored, every
// word of them a ticket that counts up over all threads, and a page is stored into by one thread only. What the threads
// tell each other, by page: the ticket of the last store that has returned; how many truncates that cut bytes of it off
// have begun, and how many have ended; and for its first and its last word the newest ticket that a truncate which has returned cut off.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { attachHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { handle, path, pages, thread, writers, device, shared, ms, seed } = workerData;
const PAGE = 4096;
const WORDS = PAGE / 4;
const words = new Int32Array(shared);
const TICKET = 0;
const column = (n) => words.subarray(1 + n * pages, 1 + (n + 1) * pages);
const [returned, cutsBefore, cuts, cutsDone, deadFirst, deadLast] = [0, 1, 2, 3, 4, 5].map(column);

const cache = attachHarness(handle);
const file = cache.openSync(path);
const fd = fs.openSync(path, 'r');
const end = performance.now() + ms;
const counts = {};

let state = seed;
function random(n) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}

function raise(array, page, ticket) {
  for (;;) {
    const now = Atomics.load(array, page);
    if (now >= ticket || Atomics.compareExchange(array, page, now, ticket) === now) return;
  }
}

/** A call that a truncate may have made pointless: false if the page is beyond the end. */
async function within(call) {
  try {
    await call();
    return true;
  } catch (error) {
    if (error.code !== 'ERR_PINFOLD_RANGE') throw error;
    counts.beyond = (counts.beyond ?? 0) + 1;
    return false;
  }
}

/** How many truncates of the page have begun; −1 if one is under way, which may cut off what is stored meanwhile. */
function cutsNow(page) {
  const done = Atomics.load(cutsDone, page);
  return Atomics.load(cuts, page) === done ? done : -1;
}

/** A page that this thread stores into. */
const ownPage = () => Math.floor(random(pages) / writers) * writers + thread;

/** Stores a ticket's page by `call`, and tells of it once that has returned. */
async function store(page, call) {
  if (page >= pages) return;
  const ticket = Atomics.add(words, TICKET, 1) + 1;
  const before = cutsNow(page);
  const bytes = new Uint8Array(new Int32Array(WORDS).fill(ticket).buffer);
  if (!(await within(() => call(bytes)))) return;
  Atomics.store(cutsBefore, page, before);
  Atomics.store(returned, page, ticket);
}

function checkWord(word, dead, what) {
  if (word !== 0 && word <= dead)
    throw new Error(`${what}: ticket ${word} is there, and ${dead} had been cut off`);
}

async function check(page, read) {
  const last = Atomics.load(returned, page);
  const before = Atomics.load(cutsBefore, page);
  const [first, end] = [Atomics.load(deadFirst, page), Atomics.load(deadLast, page)];
  const bytes = new Uint8Array(PAGE);
  const n = await read(bytes, page * PAGE);
  const cut = Atomics.load(cuts, page) !== before || Atomics.load(returned, page) !== last;
  const found = new Int32Array(bytes.buffer, 0, Math.floor(n / 4));
  const what = `page ${page}, ${n} bytes read`;
  if (n >= 4) checkWord(found[0], first, what);
  if (n === PAGE) checkWord(found[WORDS - 1], end, `${what}, at its end`);
  if (last !== 0 && !cut && (n === 0 || found[0] < last))
    throw new Error(`${what}: ticket ${found[0]}, and ${last} had returned and was not cut off`);
  if (page % writers === device) return; // under a write pin pages may be mixed
  // One store, whole as far as the file went then; zeros from there on.
  let k = 0;
  while (k < found.length && found[k] === found[0]) k++;
  const rest = k;
  while (k < found.length && found[k] === 0) k++;
  // A cut between words leaves a part of one.
  if (k < found.length && rest < found.length) {
    const partial = k === rest;
    k++;
    while (partial && k < found.length && found[k] === 0) k++;
    if (k < found.length || !partial)
      throw new Error(`${what}: ${found[0]}, from word ${rest} on ${found.slice(rest, rest + 4)}, word ${k}`);
  }
}

/** By plain fs: what a truncate that has returned cut off is not in the file any more, and no late write puts it there. */
function checkFile(page) {
  const [first, last] = [Atomics.load(deadFirst, page), Atomics.load(deadLast, page)];
  const bytes = Buffer.alloc(PAGE);
  const n = fs.readSync(fd, bytes, 0, PAGE, page * PAGE);
  const found = new Int32Array(bytes.buffer, bytes.byteOffset, WORDS);
  if (n >= 4) checkWord(found[0], first, `page ${page} of the file itself`);
  if (n === PAGE) checkWord(found[WORDS - 1], last, `the end of page ${page} of the file itself`);
}

async function truncate(size, call) {
  const gone = [];
  for (let page = Math.floor(size / PAGE); page < pages; page++) {
    gone.push([page, Atomics.load(returned, page)]);
  }
  for (const [page] of gone) Atomics.add(cuts, page, 1);
  await call(size);
  for (const [page, ticket] of gone) {
    Atomics.add(cutsDone, page, 1);
    if (page * PAGE >= size) raise(deadFirst, page, ticket);
    if ((page + 1) * PAGE - 4 >= size) raise(deadLast, page, ticket);
  }
}

const held = [];
function drop(n) {
  const [{ page, pin, ticket, before }] = held.splice(n, 1);
  pin.unpin();
  Atomics.store(cutsBefore, page, before);
  Atomics.store(returned, page, ticket);
}

/** Stores word by word into a page under a write pin, that may be held for a while, over truncates too. */
async function device_(page, take) {
  if (page >= pages || held.some((one) => one.page === page)) return;
  const before = cutsNow(page);
  const ticket = Atomics.add(words, TICKET, 1) + 1;
  await within(async () => {
    const pin = await take(page);
    const target = new Int32Array(pin.bytes.buffer, pin.bytes.byteOffset, WORDS);
    for (let k = 0; k < WORDS; k++) target[k] = ticket;
    held.push({ page, pin, ticket, before });
  });
  while (held.length > random(4)) drop(random(held.length));
}

async function step() {
  const op = random(100);
  const page = random(pages);
  const own = ownPage();
  if (op < 30) {
    if (thread === device)
      await device_(own, (page) => (op % 2 ? file.pinSync(page, 'write') : file.pin(page, 'write')));
    else if (op < 12) await store(own, (bytes) => file.writeSync(bytes, own * PAGE));
    else if (op < 22) await store(own, (bytes) => file.write(bytes, own * PAGE));
    else {
      const fill = (target, bytes) => target.set(bytes);
      if (op % 2) await store(own, async (bytes) => file.updateSync(own, fill, bytes));
      else await store(own, (bytes) => file.update(own, fill, bytes));
    }
  } else if (op < 45) await check(page, async (target, at) => file.readSync(target, at));
  else if (op < 55) await check(page, (target, at) => file.read(target, at));
  else if (op < 68) {
    const dead = Atomics.load(deadFirst, page);
    const first = (bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, 1)[0];
    await within(async () => {
      const word = op % 2 ? file.viewSync(page, first) : await file.view(page, first);
      checkWord(word, dead, `a view of page ${page}`);
    });
  } else if (op < 76) checkFile(page);
  else if (op < 80) await file.prefetch(page, random(8));
  else if (op < 86) await (op % 2 ? file.fsyncSync() : file.fsync());
  else {
    // Often near the end, at times far; to a border, or not.
    const near = Math.max(0, file.size - random(6 * PAGE));
    const size = op < 93 ? near : random(pages * PAGE);
    const exact = random(2) ? size : size - (size % PAGE);
    await truncate(exact, async (n) => (op % 2 ? file.truncateSync(n) : await file.truncate(n)));
  }
  counts[op] = (counts[op] ?? 0) + 1;
}

try {
  while (performance.now() < end) {
    await step();
    if (random(8) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  while (held.length > 0) drop(0);
  parentPort.postMessage({ counts });
  parentPort.once('message', () => {
    fs.closeSync(fd);
    cache.detach();
  });
} catch (error) {
  parentPort.postMessage({ error: error.stack, cause: String(error.cause ?? '') });
}
