// Whether what the library makes of a state is what it may be. What was found legal is legal later too, as long as no
// further fsync has said yes: so each content is looked at once.
import type { History } from './history.ts';
import type { Moment } from './log.ts';
import type { Read } from './mount.ts';
import { type Content, nameOfPage, SECTOR, SECTORS_A_PAGE } from './platter.ts';
import { PAGE, PAYLOAD } from './run.ts';

/** A state: its sectors, and how many bytes the store has. */
export interface State {
  readonly sectors: readonly Content[];
  readonly stored: number;
}

export abstract class Verdict {
  protected readonly history: History;
  /** When the last fsync was called that has said yes. */
  since: Moment = -1;
  protected readonly known = new Map<string, string | undefined>();

  constructor(history: History) {
    this.history = history;
  }

  /** From now on more has to be there. */
  demand(called: Moment): void {
    this.since = Math.max(this.since, called);
    this.known.clear();
  }

  /** What is wrong with it. `bytes`: of the store; `read`, `target`: what the library has read of them. */
  abstract on(
    state: State,
    bytes: Uint8Array,
    read: Read,
    target: Uint8Array,
    now: Moment,
  ): string | undefined;

  /** A page was written: it is one that may be found again. What is wrong with it. */
  abstract written(
    position: number,
    bytes: Uint8Array,
    sectors: readonly Content[],
    now: Moment,
  ): string | undefined;

  protected once(name: string, find: () => string | undefined): string | undefined {
    if (!this.known.has(name) || this.known.get(name) !== undefined) this.known.set(name, find());
    return this.known.get(name);
  }

  protected wrongSize(size: number, now: Moment): string | undefined {
    const { least, most } = this.history.sizes(this.since, now);
    if (size >= least && size <= most) return undefined;
    return `the file has ${size} bytes; since it had to be stable it had ${least} to ${most}`;
  }

  /** Whether a word may not be there. `piece`: of the history. */
  protected wrongWord(
    piece: number,
    length: number,
    bytes: Uint8Array,
    visible: number,
    now: Moment,
  ): string | undefined {
    const at = this.history.wrongWord(piece, bytes, visible, this.since, now);
    if (at < 0) return undefined;
    const word = Buffer.from(bytes.subarray(at, at + 8)).toString('hex');
    return `at ${piece * length + at} is ${word}, which may not be there`;
  }
}

/** Pages as they are: each byte for itself is one that may be there. */
export class Plain extends Verdict {
  on({ sectors, stored }: State, bytes: Uint8Array, { size }: Read, target: Uint8Array, now: Moment) {
    const wrongSize = size === stored ? this.wrongSize(size, now) : "the size is not the store's";
    if (wrongSize !== undefined) return wrongSize;
    if (Buffer.compare(target.subarray(0, size), bytes.subarray(0, size)) !== 0)
      return 'other bytes are read than are stored';
    for (let n = 0; n * SECTOR < size; n++) {
      const content = sectors[n]!;
      const visible = Math.min(SECTOR, size - n * SECTOR);
      const name = `${n} ${content.id} ${visible}`;
      const wrong = this.once(name, () => this.wrongWord(n, SECTOR, content.bytes, visible, now));
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  written(position: number, bytes: Uint8Array, _: readonly Content[], now: Moment): string | undefined {
    if (this.history.wasWhole(position, bytes, bytes.length, this.since, now)) return undefined;
    return `page ${position / PAGE} is written as it never was since it had to be stable`;
  }
}

/**
 * Pages with checksums: each is one that was together in memory, but for words that something stored under a write pin
 * that lived; or it is reported. What was written whole is not reported.
 *
 * A last page that was not written, though the store has its place, is a hole, and counts whole: then the file may end up to a
 * page behind the end that it had. So it may if the last page is torn, or there in part: then that page is reported. Only a
 * file of which no page is good need not be opened.
 */
export class Sealed extends Verdict {
  /** Pages that were written whole, and how they were before. */
  readonly #whole = new Set<string>();
  readonly #hole: string;

  constructor(history: History, sectors: readonly Content[], zeros: Content) {
    super(history);
    this.#hole = nameOfPage(new Array(SECTORS_A_PAGE).fill(zeros), 0);
    for (let page = 0; page * SECTORS_A_PAGE < sectors.length; page++) this.#remember(page, sectors);
  }

  #remember(page: number, sectors: readonly Content[], first = page * SECTORS_A_PAGE): void {
    this.#whole.add(`${page} ${nameOfPage(sectors, first)}`);
  }

  /** Whether the store has the page as it was written, or as one that never was. */
  #isWhole(page: number, { sectors, stored }: State): boolean {
    if ((page + 1) * PAGE > stored) return false;
    const name = nameOfPage(sectors, page * SECTORS_A_PAGE);
    return name === this.#hole || this.#whole.has(`${page} ${name}`);
  }

  on(state: State, bytes: Uint8Array, read: Read, target: Uint8Array, now: Moment) {
    const last = Math.ceil(state.stored / PAGE) - 1;
    if (read.size < 0) return this.#wrongRefusal(state, last);
    const isTorn = last >= 0 && !this.#isWhole(last, state);
    const wrongSize = this.#wrongEnd(state, last, isTorn, read.size, now);
    if (wrongSize !== undefined) return wrongSize;
    for (let page = 0; page * PAYLOAD < read.size; page++) {
      const wrong = this.#onPage(page, state, bytes, read, target, now);
      if (wrong !== undefined) return wrong;
    }
    return read.torn === isTorn ? undefined : `the last page is ${isTorn ? 'not ' : ''}taken for torn`;
  }

  #wrongRefusal(state: State, last: number): string | undefined {
    for (let page = 0; page <= last; page++) {
      if (this.#isWhole(page, state))
        return `the file is not opened, though page ${page} is as it was written`;
    }
    return undefined;
  }

  #wrongEnd(state: State, last: number, isTorn: boolean, size: number, now: Moment): string | undefined {
    const isHole = last >= 0 && nameOfPage(state.sectors, last * SECTORS_A_PAGE) === this.#hole;
    if (!isHole && !isTorn) return this.wrongSize(size, now);
    const { least, most } = this.history.sizes(this.since, now);
    if (size === (last + 1) * PAYLOAD && size >= least && most > last * PAYLOAD) return undefined;
    const how = isTorn ? 'the last page torn' : 'which end in a hole';
    return `the file has ${size} bytes, ${how}; since it had to be stable it had ${least} to ${most}`;
  }

  #onPage(
    page: number,
    state: State,
    bytes: Uint8Array,
    { size, reported }: Read,
    target: Uint8Array,
    now: Moment,
  ): string | undefined {
    if (reported.includes(page)) {
      return this.#isWhole(page, state)
        ? `page ${page} is reported, though it is as it was written`
        : undefined;
    }
    if ((page + 1) * PAGE > state.stored) return `page ${page} is returned, though it is there in part only`;
    const visible = Math.min(PAYLOAD, size - page * PAYLOAD);
    const found = target.subarray(page * PAYLOAD, page * PAYLOAD + visible);
    if (Buffer.compare(found, bytes.subarray(page * PAGE, page * PAGE + visible)) !== 0) {
      return `other bytes of page ${page} are read than are stored`;
    }
    const name = `${page} ${nameOfPage(state.sectors, page * SECTORS_A_PAGE)} ${visible}`;
    return this.once(name, () => this.#wrongPage(page, found, now));
  }

  #wrongPage(page: number, found: Uint8Array, now: Moment): string | undefined {
    const wrong = this.wrongWord(page, PAYLOAD, found, found.length, now);
    if (wrong !== undefined) return wrong;
    if (this.history.wasWhole(page * PAYLOAD, found, found.length, this.since, now)) return undefined;
    return `page ${page} is returned as it never was since it had to be stable`;
  }

  written(position: number, bytes: Uint8Array, sectors: readonly Content[], now: Moment): string | undefined {
    if (bytes.length < PAGE) return undefined; // a write that fails has ended in the middle of it
    const page = position / PAGE;
    this.#remember(page, sectors, 0);
    const used = new DataView(bytes.buffer, bytes.byteOffset).getUint32(PAYLOAD, true);
    const payload = bytes.subarray(0, Math.min(used, PAYLOAD));
    if (this.history.wasWhole(page * PAYLOAD, payload, payload.length, this.since, now)) return undefined;
    return `page ${page} is written as it never was since it had to be stable`;
  }
}
