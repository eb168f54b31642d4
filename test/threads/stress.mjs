// One thread of the stress: lanes that each own a slot of every page, do random calls, and know what must be read back.
// A slot is 64 bytes: 16 words, each with the number of the write that it belongs to. Lane 0 of thread 0 owns the last
// 32 bytes of a page and the first 32 of the next: its writes span two pages. Odd lanes change their slots by updates only
// (write is one): nobody ever sees half of one, neither in the cache nor in the file.
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { attachHarness } from '#harness';
import { openAsTest } from '../support/directly.mjs';

openAsTest();

const { handle, paths, pages, thread, threads, lanes, ms, seed, faults } = workerData;
const SLOT = 64;
const WORDS = SLOT / 4;
const PINS_MAX = 3;

const cache = attachHarness(handle);
const files = paths.map((path) => cache.openSync(path));
const { pageSize } = files[0];
const fds = paths.map((path) => fs.openSync(path, 'r'));
const end = performance.now() + ms;

let state = seed;
function random(n) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}

const word = (value, k) => value * WORDS + k;

/** Every word is of the same write. */
function checkWhole(words, what) {
  const value = words[0] / WORDS;
  for (let k = 0; k < WORDS; k++) {
    if (words[k] !== (value === 0 ? 0 : word(value, k))) throw new Error(`${what}: half an update: ${words}`);
  }
}
const counts = {};

const undone = new Error('undo this');

class Lane {
  spans = false;
  offset = 0;
  /** By file and page: the last write that has ended, the last that has begun. */
  ended = paths.map(() => new Uint32Array(pages));
  begun = paths.map(() => new Uint32Array(pages));
  /** What was seen of other lanes' slots: their first words never go back. */
  seen = new Map();
  held = [];
  bytes = new Uint8Array(SLOT);
  words = new Uint32Array(this.bytes.buffer);

  constructor(lane) {
    this.whole = lane % 2 === 1;
    this.spans = thread === 0 && lane === 0;
    this.offset = this.spans ? pageSize - SLOT / 2 : SLOT + (thread * lanes + lane) * SLOT;
  }

  position(page) {
    return page * pageSize + this.offset;
  }

  fill(value) {
    for (let k = 0; k < WORDS; k++) this.words[k] = word(value, k);
    return this.bytes;
  }

  /** Checks a slot's bytes: nothing older than what has ended, nothing that was never written. */
  check(bytes, f, page, what, least = this.ended[f][page]) {
    const words = new Uint32Array(bytes.slice(0, SLOT).buffer);
    for (let k = 0; k < WORDS; k++) {
      const value = words[k] === 0 ? 0 : (words[k] - k) / WORDS;
      if (!Number.isInteger(value) || value < least || value > this.begun[f][page]) {
        throw new Error(
          `${what}: file ${f} page ${page} offset ${this.offset} word ${k}: write ${value} is there, ` +
            `${least} had ended, ${this.begun[f][page]} had begun`,
        );
      }
    }
    if (this.whole) checkWhole(words, what);
  }

  /** A write by one call. If it fails, some of it may be there. */
  async write(f, page, call) {
    if (this.held.some((pin) => pin.f === f && pin.page === page)) return;
    const value = ++this.begun[f][page];
    const n = await call(this.fill(value).slice(), this.position(page));
    if (n !== SLOT) throw new Error(`${n} bytes written`);
    this.ended[f][page] = value;
  }

  /** An update, one in four of which throws half-way and is undone. */
  async update(f, page, sync) {
    if (this.spans || this.held.some((pin) => pin.f === f && pin.page === page)) return;
    const value = this.ended[f][page] + 1;
    this.begun[f][page] = Math.max(value, this.begun[f][page]);
    const before = this.ended[f][page];
    const fails = random(4) === 0;
    const change = (bytes, source) => {
      bytes.set(source.subarray(0, SLOT / 2), 0);
      if (fails) throw undone;
      bytes.set(source.subarray(SLOT / 2), SLOT / 2);
      return value;
    };
    const range = { offset: this.offset, length: SLOT };
    const source = this.fill(value).slice();
    try {
      const done = sync
        ? files[f].updateSync(page, change, source, range)
        : await files[f].update(page, change, source, range);
      if (done !== value) throw new Error(`update returned ${done}`);
      this.ended[f][page] = value;
    } catch (error) {
      if (error !== undone) throw error;
      const bytes = new Uint8Array(SLOT);
      files[f].readSync(bytes, this.position(page));
      this.check(bytes, f, page, 'after an update that was undone', before);
      // Nothing else than what was there before: a partial write of this number would be seen by the check of the next.
      if (this.whole && new Uint32Array(bytes.buffer)[0] !== word(before, 0))
        throw new Error('an update was not undone');
    }
  }

  /** A write under a pin that may be held for a while. */
  store(pin, f, page) {
    if (this.spans || this.whole || this.held.some((other) => other.f === f && other.page === page)) {
      pin.unpin({ dirty: false });
      return;
    }
    const value = ++this.begun[f][page];
    pin.bytes.set(this.fill(value), this.offset);
    this.held.push({ f, page, value, pin });
    while (this.held.length > random(PINS_MAX + 1)) this.drop(random(this.held.length));
  }

  drop(n) {
    const [{ f, page, value, pin }] = this.held.splice(n, 1);
    pin.unpin();
    this.ended[f][page] = value;
  }

  /** After an fsync: what had ended before it began is in the file. */
  checkFile(f, before, samples) {
    const bytes = Buffer.alloc(SLOT);
    for (let n = 0; n < samples; n++) {
      const page = samples >= pages ? n % pages : random(pages);
      if (this.spans && page === pages - 1) continue;
      fs.readSync(fds[f], bytes, 0, SLOT, this.position(page));
      this.check(bytes, f, page, 'in the file after fsync', before[page]);
    }
  }

  async step() {
    const f = random(files.length);
    const file = files[f];
    // Some pages are hot, most are not.
    const page = random(this.spans ? pages - 1 : random(3) === 0 ? Math.min(8, pages) : pages);
    const bytes = new Uint8Array(SLOT);
    const verify = (what) => this.check(bytes, f, page, what);
    const inPage = (view) => {
      bytes.set(view.subarray(this.offset, this.offset + SLOT));
      return 1;
    };
    const op = random(100);
    if (op < 6) await this.update(f, page, random(2) === 0);
    else if (op < 22) await this.write(f, page, (source, at) => file.writeSync(source, at));
    else if (op < 32) await this.write(f, page, (source, at) => file.write(source, at));
    else if (op < 44) {
      file.readSync(bytes, this.position(page));
      verify('readSync');
    } else if (op < 52) {
      await file.read(bytes, this.position(page));
      verify('read');
    } else if (op < 62 && !this.spans) {
      file.viewSync(page, inPage);
      verify('viewSync');
    } else if (op < 66 && !this.spans) {
      await file.view(page, inPage);
      verify('view');
    } else if (op < 74) this.store(file.pinSync(page, 'write'), f, page);
    else if (op < 79) this.store(await file.pin(page, 'write'), f, page);
    else if (op < 84) {
      const pin = file.tryPin(page, random(2) ? 'write' : 'read');
      if (pin?.mode === 'write') this.store(pin, f, page);
      else if (pin && !this.spans) {
        inPage(pin.bytes);
        pin.unpin();
        verify('tryPin');
      } else pin?.unpin();
    } else if (op < 88) {
      const pin = await file.pin(page);
      if (!this.spans) inPage(pin.bytes);
      pin.unpin();
      if (!this.spans) verify('pin');
    } else if (op < 91) {
      if (random(2)) await file.prefetch(page, random(6));
      else file.prefetchSync(page, random(6));
    } else if (op < 94) this.look(f, page);
    else {
      if (random(2) && this.held.length > 0) this.drop(0);
      const before = this.ended[f].slice();
      // No write of this lane runs while it waits, so its slots in the file are whole, unless it holds pins there.
      if (random(2)) file.fsyncSync();
      else await file.fsync();
      this.checkFile(f, before, 16);
    }
    counts[op] = (counts[op] ?? 0) + 1;
  }

  /** Another lane's slot: its first word never goes back. */
  look(f, page) {
    const offset = SLOT + random(threads * lanes) * SLOT;
    if (offset + SLOT > pageSize - SLOT) return;
    const bytes = new Uint8Array(SLOT);
    files[f].readSync(bytes, page * pageSize + offset);
    const words = new Uint32Array(bytes.buffer);
    const value = words[0];
    if (((offset - SLOT) / SLOT) % lanes === 1)
      checkWhole(words, `another's slot, page ${page} offset ${offset}`);
    const key = (f * pages + page) * pageSize + offset;
    const last = this.seen.get(key) ?? 0;
    if (value < last) throw new Error(`page ${page} offset ${offset} went back from ${last} to ${value}`);
    this.seen.set(key, value);
  }

  async run() {
    while (performance.now() < end) {
      try {
        await this.step();
      } catch (error) {
        if (!faults || error.code !== 'ERR_PINFOLD_IO') throw error;
        counts.failed = (counts.failed ?? 0) + 1;
      }
      if (random(8) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    while (this.held.length > 0) this.drop(0);
  }
}

const all = Array.from({ length: lanes }, (_, lane) => new Lane(lane));
try {
  await Promise.all(all.map((lane) => lane.run()));
  parentPort.postMessage({ done: true, counts });
  // The store is healed now: an fsync says yes, at the latest once every error from before has been told.
  await new Promise((resolve) => parentPort.once('message', resolve));
  for (const [f, file] of files.entries()) {
    for (let tries = 0; ; tries++) {
      try {
        file.fsyncSync();
        break;
      } catch (error) {
        if (!faults || error.code !== 'ERR_PINFOLD_IO' || tries === 2) throw error;
      }
    }
    for (const lane of all) lane.checkFile(f, lane.ended[f], pages);
  }
  parentPort.postMessage({ checked: true });
  await new Promise((resolve) => parentPort.once('message', resolve));
  cache.detach();
} catch (error) {
  parentPort.postMessage({ error: error.stack, code: error.code, cause: error.cause?.message });
  await new Promise((resolve) => parentPort.once('message', resolve));
} finally {
  for (const fd of fds) fs.closeSync(fd);
  parentPort.close();
}
