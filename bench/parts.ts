// The parts of a page in the mixed scenario, and who stores into each. Two threads play each role.
//
//   bytes    0..1023   record of both updaters, by update: each one numbers itself after the one it replaces
//   bytes 1024..2047   record of updater 0 alone, by write
//   bytes 2048..3071   record of updater 1 alone, by write
//   bytes 3072..3583   DMA of pinner 0
//   bytes 3584..4095   DMA of pinner 1
import { NS_PER_MS } from './clock';
import { PAGE_BYTES } from './files';
import { fillRecord, type Judgement, judgeRecord, RECORD_BYTES, RECORD_WORDS } from './record';

export const THREADS_PER_ROLE = 2;
export const PAGE_WORDS = PAGE_BYTES / 4;

/** How long an update or a view that stops half-way does so, ns. */
export const HALFWAY_NS = NS_PER_MS;

/** Records of a page: its first parts. */
export const RECORD_PARTS = 1 + THREADS_PER_ROLE;
export const UPDATE_PART = 0;
export const writePartOf = (thread: number): number => 1 + thread;

const DMA_START = RECORD_PARTS * RECORD_BYTES;
export const DMA_BYTES = (PAGE_BYTES - DMA_START) / THREADS_PER_ROLE;
export const dmaOffsetOf = (thread: number): number => DMA_START + thread * DMA_BYTES;

/** What a record calls its page: no part's record is good in the place of another. It is also the index of the part's word below. */
export const placeOf = (page: number, part: number): number => page * RECORD_PARTS + part;
export const pageOfPlace = (place: number): number => Math.floor(place / RECORD_PARTS);

type Words = Int32Array<SharedArrayBuffer>;

/** What the threads tell one another, so that each knows what it must find. */
export interface Announced {
  /** By place: the last sequence whose update or write had returned. */
  returned: Words;
  /** By page and pinner: the last transfer that was about to begin, and the last one whose pin had dropped. */
  dmaBegun: Words;
  dmaLanded: Words;
}

/** Every record of the file is there from the start, as sequence 1, so that none may be missing. */
export const FIRST_SEQUENCE = 1;

export function announceFirst(pages: number): Announced {
  const words = (count: number): Words => new Int32Array(new SharedArrayBuffer(count * 4));
  return {
    returned: words(pages * RECORD_PARTS).fill(FIRST_SEQUENCE),
    dmaBegun: words(pages * THREADS_PER_ROLE),
    dmaLanded: words(pages * THREADS_PER_ROLE),
  };
}

export function fillFirstRecords(words: Int32Array, pages: number): void {
  for (let page = 0; page < pages; page++) {
    for (let part = 0; part < RECORD_PARTS; part++) {
      const start = page * PAGE_WORDS + part * RECORD_WORDS;
      fillRecord(words, start, placeOf(page, part), FIRST_SEQUENCE);
    }
  }
}

/** Keeps what is announced now, from word `from` to before `to`, at the same places of `noted`; `onNew` hears of each that has changed. */
export function note(
  announced: Words,
  noted: Int32Array,
  from = 0,
  to = noted.length,
  onNew: (word: number) => void = () => {},
): void {
  for (let i = from; i < to; i++) {
    const now = Atomics.load(announced, i);
    if (noted[i] === now) continue;
    noted[i] = now;
    onNew(i);
  }
}

/** Announces that `sequence` of a place has returned; the other updater may have announced a later one before. */
export function announceReturn({ returned }: Announced, place: number, sequence: number): void {
  for (;;) {
    const earlier = Atomics.load(returned, place);
    if (earlier >= sequence || Atomics.compareExchange(returned, place, earlier, sequence) === earlier)
      return;
  }
}

/** Judges the record of a part of the page whose words begin at `start`. `noted`: by place, what had returned before the call. */
export function judgePart(
  words: Int32Array,
  start: number,
  page: number,
  part: number,
  noted: Int32Array,
): Judgement {
  const place = placeOf(page, part);
  return judgeRecord(words, start + part * RECORD_WORDS, place, noted[place]);
}
