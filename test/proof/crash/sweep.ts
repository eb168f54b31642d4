// Every moment of a recording at which the power may fail, and the states in which it may leave the file: each is opened by
// the library, read, and compared with what may be there.
import { Random } from '../../storm/random.ts';
import { choices, KINDS, type Kind } from './choices.ts';
import { type Entry, tell } from './log.ts';
import type { Mount } from './mount.ts';
import { type Choice, type Content, Platter, SECTOR, SECTORS_A_PAGE } from './platter.ts';
import { PAGE, type Recording } from './run.ts';
import { Plain, Sealed, type Verdict } from './verdict.ts';

/** What was covered. */
export class Cover {
  workloads = 0;
  records = 0;
  /** Moments at which the power failed. */
  points = 0;
  /** States that were opened and checked; how many of them nobody had opened before, whatever had to be there. */
  states = 0;
  distinct = 0;
  /** Those in which some write is there in part. */
  torn = 0;
  /** Pages that were written, each compared with what was together in memory. */
  pagesWritten = 0;
  fsyncs = 0;
  /** Of files with checksums: states, pages reported in them, those with a torn end, those not opened since no page was good. */
  sealed = 0;
  reported = 0;
  tornEnds = 0;
  refused = 0;
  /** The most writes that were in doubt at a time. */
  pendingMost = 0;
  readonly kinds = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
}

export interface Wrong {
  readonly what: string;
  /** Where: the moment and the choice. */
  readonly at: string;
}

/** Samples at each moment: for each write in doubt if they are no more than so many, else in all. */
const SAMPLES = 20;
const SAMPLED_MOST = 8;
/** More wrong states of one recording tell nothing new. */
const WRONG_MAX = 3;

export class Sweep {
  readonly #recording: Recording;
  readonly #mount: Mount;
  readonly #cover: Cover;
  readonly #brief: boolean;
  readonly platter: Platter;
  readonly wrong: Wrong[] = [];
  readonly #verdict: Verdict;
  /** States that were checked against the same demands. */
  #checked = new Set<number>();
  readonly #seen = new Set<number>();
  readonly #sectors: Content[] = [];
  readonly #bytes: Uint8Array;
  readonly #read: Uint8Array;

  /** `brief`: no write is torn, and nothing left to chance. */
  constructor(recording: Recording, mount: Mount, cover: Cover, brief = false) {
    this.#brief = brief;
    this.#recording = recording;
    this.#mount = mount;
    this.#cover = cover;
    const { before, sizeBefore, setup } = recording;
    this.platter = new Platter(before, sizeBefore, setup.created !== true);
    const { stable, contents } = this.platter;
    this.#verdict = setup.checksum
      ? new Sealed(recording.history, stable, contents.zeros)
      : new Plain(recording.history);
    this.#bytes = new Uint8Array(before.length);
    this.#read = new Uint8Array(before.length);
  }

  /** `until`: looked at after each moment; true ends it. */
  run(seed: number, until: () => boolean = () => false): void {
    const { entries } = this.#recording.log;
    const random = new Random(seed + 1);
    this.#cover.workloads++;
    this.#look(-1, random, 0);
    let known = 0; // how many of the pending were torn already
    for (const [moment, entry] of entries.entries()) {
      this.#apply(entry, moment);
      if (entry.kind === 'event' || entry.kind === 'flush') continue;
      this.#cover.records++;
      if (entry.kind === 'synced') this.#demand(entry.called, moment);
      if (entry.kind === 'flushed' || entry.kind === 'synced') known = 0;
      this.#look(moment, random, known);
      known = this.platter.pending.length;
      if (this.wrong.length >= WRONG_MAX || until()) return;
    }
  }

  #apply(entry: Entry, moment: number): void {
    this.platter.apply(entry, moment);
    if (entry.kind !== 'write' || entry.bytes.length === 0) return;
    const { contents } = this.platter.pending.at(-1)!;
    for (let at = 0; at < entry.bytes.length; at += PAGE) {
      this.#cover.pagesWritten++;
      const sectors = contents.slice(at / SECTOR, at / SECTOR + SECTORS_A_PAGE) as Content[];
      const page = entry.bytes.subarray(at, at + PAGE);
      const what = this.#verdict.written(entry.position + at, page, sectors, moment);
      if (what !== undefined) this.wrong.push({ what, at: `${moment}` });
    }
  }

  /** From now on more has to be there. */
  #demand(called: number, moment: number): void {
    this.#cover.fsyncs++;
    this.#verdict.demand(called);
    this.#checked = new Set();
    if (this.platter.stableEntry) return;
    this.wrong.push({
      what: 'after an fsync that said yes the new file is in no directory',
      at: `${moment}`,
    });
  }

  #look(moment: number, random: Random, untorn: number): void {
    const { pending } = this.platter;
    this.#cover.points++;
    this.#cover.pendingMost = Math.max(this.#cover.pendingMost, pending.length);
    const tearFrom = this.#brief ? pending.length : untorn;
    const most = this.#brief ? 0 : pending.length > SAMPLED_MOST ? SAMPLES : SAMPLES * pending.length;
    for (const [kind, choice] of choices(this.platter, random, { tearFrom, samples: most })) {
      const size = this.platter.compose(choice, this.#sectors);
      const print = this.#fingerprint(size);
      if (this.#checked.has(print)) continue;
      this.#checked.add(print);
      if (!this.#seen.has(print)) {
        this.#seen.add(print);
        this.#cover.distinct++;
      }
      this.#cover.states++;
      this.#cover.kinds.set(kind, this.#cover.kinds.get(kind)! + 1);
      if (this.#isTorn(choice)) this.#cover.torn++;
      const what = this.#check(size, moment);
      if (what === undefined) continue;
      this.wrong.push({ what: `${what} (${kind})`, at: `${moment}/${nameOf(choice)}` });
      if (this.wrong.length >= WRONG_MAX) return;
    }
  }

  #isTorn({ masks }: Choice): boolean {
    return this.platter.pending.some(({ contents }, n) => {
      const all = contents.length === 32 ? -1 : 2 ** contents.length - 1;
      return masks[n] !== 0 && masks[n] !== all;
    });
  }

  /** 53 bits of what a state is. */
  #fingerprint(size: number): number {
    let low = size;
    let high = ~size;
    for (let n = 0; n * SECTOR < size; n++) {
      const { hash, id } = this.#sectors[n]!;
      low = Math.imul(low ^ hash, 0x9e3779b1);
      low ^= low >>> 15;
      high = Math.imul(high ^ id, 0x85ebca6b);
      high ^= high >>> 13;
    }
    return (low >>> 0) * 2 ** 21 + (high >>> 11);
  }

  /** Opens and reads a state: what is wrong with it. */
  #check(stored: number, moment: number): string | undefined {
    for (let n = 0; n * SECTOR < stored; n++) this.#bytes.set(this.#sectors[n]!.bytes, n * SECTOR);
    const checksum = this.#recording.setup.checksum === true;
    const read = this.#mount.read(this.#bytes, stored, checksum, this.#read);
    if (checksum) this.#cover.sealed++;
    if (read.size < 0) this.#cover.refused++;
    this.#cover.reported += read.reported.length;
    const state = { sectors: this.#sectors, stored };
    const wrong = read.wrong ?? this.#verdict.on(state, this.#bytes, read, this.#read, moment);
    if (wrong !== undefined || !read.torn) return wrong;
    this.#cover.tornEnds++;
    return this.#mount.mend(this.#bytes, stored, read, this.#read);
  }

  /** Tells of one state: how it came to be, and what is wrong with it. */
  tell(at: string): string[] {
    const [moment, ...rest] = at.split('/');
    const now = Number(moment);
    for (const [n, entry] of this.#recording.log.entries.entries()) {
      if (n > now) break;
      this.#apply(entry, n);
      if (entry.kind === 'synced') this.#demand(entry.called, n);
    }
    const lines = this.#around(now);
    lines.push(`what was done before ${this.#verdict.since} had to be stable`);
    if (rest.length === 0)
      return lines.concat(this.wrong.filter((one) => one.at === at).map(({ what }) => what));
    return lines.concat(this.#tellState(choiceOf(rest.join('/')), now));
  }

  #tellState(choice: Choice, now: number): string[] {
    const { pending, stableSize } = this.platter;
    const lines = [
      `stable for sure: ${stableSize} bytes; of ${this.platter.sizes} later sizes ${choice.sizes}; and of`,
    ];
    for (const [n, { moment, first, contents, cut, lost }] of pending.entries()) {
      if (cut >= 0) continue;
      const there = contents.flatMap((_, at) => ((choice.masks[n]! >>> at) & 1 ? [first + at] : []));
      const sectors = `${first} to ${first + contents.length - 1}`;
      lines.push(
        `  the write at ${moment} (sectors ${sectors}${lost ? ', in doubt' : ''}): ${there.join(' ') || 'nothing'}`,
      );
    }
    const size = this.platter.compose(choice, this.#sectors);
    const what = this.#check(size, now);
    lines.push(what === undefined ? 'that is as it may be' : what);
    const position = Number(/^at (\d+)/.exec(what ?? '')?.[1] ?? -1);
    if (position < 0) return lines;
    const legal = this.#recording.history.legalWords(position, this.#verdict.since, now);
    return lines.concat(legal.map(({ moment, word }) => `  may be there, since ${moment}: ${hexOf(word)}`));
  }

  /** The log around a moment. */
  #around(moment: number): string[] {
    const { entries } = this.#recording.log;
    const from = Math.max(0, moment - 30);
    return entries
      .slice(from, moment + 4)
      .map((entry, n) => `${from + n === moment ? '> ' : '  '}${from + n} ${tell(entry)}`);
  }
}

/** As its bytes are in the file. */
function hexOf(word: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(word);
  return bytes.toString('hex');
}

function nameOf({ sizes, masks }: Choice): string {
  return `${sizes}/${[...masks].map((mask) => (mask >>> 0).toString(16)).join('.')}`;
}

function choiceOf(name: string): Choice {
  const [sizes, masks] = name.split('/') as [string, string];
  const parts = masks === '' ? [] : masks.split('.');
  return { sizes: Number(sizes), masks: Int32Array.from(parts, (part) => Number.parseInt(part, 16) | 0) };
}
