import { type CachedFile, PageCache } from 'pinfold';
import { nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { announceReturn, FIRST_SEQUENCE, HALFWAY_NS, placeOf, UPDATE_PART, writePartOf } from '../../parts';
import { fillRecord, RECORD_BYTES, RECORD_WORDS, sequenceOf } from '../../record';
import type { MixedResult, MixedTask } from '../../tasks';
import { Arrivals } from '../arrivals';
import { drawPages } from './pages';

/** One in so many operations is a write of this thread's own record; the others change the record of both. */
const WRITE_EVERY = 4;
/** One in so many of those stops half-way, so that views and fsyncs come in between on any machine. */
const PAUSE_EVERY = 4;
const HALF_WORDS = RECORD_WORDS / 2;
const UPDATE_RANGE = { offset: UPDATE_PART * RECORD_BYTES, length: RECORD_BYTES };

/** Changes records of pages, and announces each change when it has returned. */
export function mixedUpdater(task: MixedTask): MixedResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  try {
    return new Updater(task, file).run();
  } finally {
    file.closeSync();
    cache.detach();
  }
}

class Updater {
  readonly #task: MixedTask;
  readonly #file: CachedFile;
  readonly #draw: () => number;
  /** By page. */
  readonly #written: Int32Array;
  readonly #record = new Int32Array(RECORD_WORDS);
  readonly #recordBytes = new Uint8Array(this.#record.buffer);
  #updates = 0;

  constructor(task: MixedTask, file: CachedFile) {
    this.#task = task;
    this.#file = file;
    this.#draw = drawPages(task);
    this.#written = new Int32Array(task.popularity.length).fill(FIRST_SEQUENCE);
  }

  run(): MixedResult {
    const arrivals = new Arrivals(this.#task);
    for (let n = 0; arrivals.next(); n++) {
      const page = this.#draw();
      if (n % WRITE_EVERY === 0) this.#write(page);
      else this.#update(page);
      arrivals.ended();
    }
    return arrivals.result();
  }

  #write(page: number): void {
    const { thread, announced } = this.#task;
    const part = writePartOf(thread);
    const sequence = ++this.#written[page];
    fillRecord(this.#record, 0, placeOf(page, part), sequence);
    this.#file.writeSync(this.#recordBytes, page * PAGE_BYTES + part * RECORD_BYTES);
    announceReturn(announced, placeOf(page, part), sequence);
  }

  #update(page: number): void {
    const place = placeOf(page, UPDATE_PART);
    const sequence =
      this.#task.arm === 'stores'
        ? this.#store(page, place)
        : this.#file.updateSync(page, this.#replaceRecord, place, UPDATE_RANGE);
    announceReturn(this.#task.announced, place, sequence);
  }

  /** The control: the same change of the same bytes, through a pin. Nobody is kept from seeing half of it. */
  #store(index: number, place: number): number {
    const page = this.#file.pinSync(index, 'write');
    try {
      return this.#replaceRecord(
        page.bytes.subarray(UPDATE_PART * RECORD_BYTES, (UPDATE_PART + 1) * RECORD_BYTES),
        place,
      );
    } finally {
      page.unpin();
    }
  }

  /** Puts the next record of `place` into `bytes`, one half after the other; returns its sequence. */
  readonly #replaceRecord = (bytes: Uint8Array, place: number): number => {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, RECORD_WORDS);
    const sequence = sequenceOf(words, 0) + 1;
    fillRecord(this.#record, 0, place, sequence);
    words.set(this.#record.subarray(0, HALF_WORDS));
    if (++this.#updates % PAUSE_EVERY === 0) sleepUntil(this.#task.stop, nowNs() + HALFWAY_NS);
    words.set(this.#record.subarray(HALF_WORDS), HALF_WORDS);
    return sequence;
  };
}
