// What the file has held, as one knows it who is told of each change; and what of that a crash may leave.
//
// In words of 8 bytes. Whatever stores says so in each word (who, and where): a word that nobody stored there, or not
// since it had to be stable, is seen to be. Each change has a moment, and one at which it is done: its call has returned,
// or the pin under which it was stored has dropped. What was done before an fsync was called that has said yes may not
// be missing. So a word may be what the last change done by then made it, or any later one; and the file may have any size
// from the least to the greatest that it had since.
import type { Moment } from './log.ts';

export const WORD = 8;
const NEVER = Number.POSITIVE_INFINITY;

/** Words as they are after a change. */
interface Change {
  readonly serial: number;
  readonly moment: Moment;
  done: Moment;
  /** Where the first of them is in the file, in bytes. */
  readonly position: number;
  readonly words: BigUint64Array;
  /** Stored under a write pin. */
  readonly pinned: boolean;
}

interface SizeChange {
  readonly moment: Moment;
  done: Moment;
  readonly size: number;
}

/** Something under way whose changes are not done: a pin, a truncate. */
export class Doing {
  readonly changes: { done: Moment }[] = [];

  end(moment: Moment): void {
    for (const change of this.changes) change.done = moment;
  }
}

const down = (bytes: number) => Math.floor(bytes / WORD) * WORD;
const up = (bytes: number) => Math.ceil(bytes / WORD) * WORD;

export class History {
  /** What the file holds now. */
  readonly bytes: Uint8Array;
  size: number;
  readonly #words: BigUint64Array;
  #changes = 0;
  readonly #sizes: SizeChange[] = [];
  /** Words in which the file ended, or was about to: what is written ends there as well, so their bytes may be of two ages. */
  readonly #ends = new Set<number>();
  /** Changes by the piece of the file that they touch. */
  readonly #byPiece: Change[][];
  readonly #piece: number;

  /** `piece`: how many bytes at a time are looked at, at least a word. */
  constructor(capacity: number, bytes: Uint8Array, piece: number) {
    this.bytes = new Uint8Array(capacity);
    this.bytes.set(bytes);
    this.size = bytes.length;
    this.#words = new BigUint64Array(this.bytes.buffer);
    this.#piece = piece;
    this.#byPiece = Array.from({ length: Math.ceil(capacity / piece) }, () => []);
    this.#sizes.push({ moment: -1, done: -1, size: this.size });
    this.mayEnd(this.size);
    this.#note(0, capacity, -1, -1, false);
  }

  /** What is stored at `position`, of which what is behind the end is nothing to the file. */
  store(position: number, bytes: Uint8Array, moment: Moment, pin?: Doing): void {
    const length = Math.min(bytes.length, this.size - position);
    if (length <= 0) return;
    this.bytes.set(bytes.subarray(0, length), position);
    const change = this.#note(position, position + length, moment, pin ? NEVER : moment, pin !== undefined);
    pin?.changes.push(change);
  }

  /** Somebody wants the file to end there: from now on what is written may. */
  mayEnd(size: number): void {
    if (size % WORD !== 0) this.#ends.add(down(size));
  }

  /** The file is longer, by zeros. */
  extend(size: number, moment: Moment): void {
    if (size <= this.size) return;
    const from = this.size;
    this.size = size;
    this.mayEnd(size);
    this.bytes.fill(0, from, size);
    this.#sizes.push({ moment, done: moment, size });
    this.#note(from, size, moment, moment, false);
  }

  /** The file is shorter. Until that is done, what was cut off may be there still, and be zeros already. */
  cut(size: number, moment: Moment, truncate: Doing): void {
    if (size >= this.size) return;
    const from = this.size;
    this.size = size;
    this.bytes.fill(0, size, from);
    const change = { moment, done: NEVER, size };
    this.#sizes.push(change);
    truncate.changes.push(change, this.#note(size, from, moment, NEVER, false));
  }

  #note(from: number, to: number, moment: Moment, done: Moment, pinned: boolean): Change {
    const position = down(from);
    const words = this.#words.slice(position / WORD, up(to) / WORD);
    const change = { serial: this.#changes++, moment, done, position, words, pinned };
    const last = Math.ceil((position + words.length * WORD) / this.#piece);
    for (let piece = Math.floor(position / this.#piece); piece < last; piece++)
      this.#byPiece[piece]!.push(change);
    return change;
  }

  /** The least and the greatest size that may be there after a crash at `now`; `since`: when the last fsync was called that said yes. */
  sizes(since: Moment, now: Moment): { least: number; most: number } {
    let least = NEVER;
    let most = 0;
    for (let n = this.#sizes.length - 1; n >= 0; n--) {
      const change = this.#sizes[n]!;
      if (change.moment > now) continue;
      least = Math.min(least, change.size);
      most = Math.max(most, change.size);
      if (change.done <= since) break;
    }
    return { least, most };
  }

  /**
   * Which of the first `visible` bytes of a piece may not be there after a crash at `now`: the first word's place in the
   * piece; −1 if all is well.
   */
  wrongWord(piece: number, bytes: Uint8Array, visible: number, since: Moment, now: Moment): number {
    const count = up(visible) / WORD;
    const words = wordsOf(bytes, count);
    // Of each word: it is not known yet, or it is one that may be there.
    const known = new Uint8Array(count);
    let left = count;
    const changes = this.#byPiece[piece]!;
    const start = piece * this.#piece;
    for (let n = changes.length - 1; n >= 0 && left > 0; n--) {
      const change = changes[n]!;
      if (change.moment > now) continue;
      const offset = (change.position - start) / WORD;
      const end = Math.min(count, offset + change.words.length);
      for (let word = Math.max(0, offset); word < end; word++) {
        if (known[word]) continue;
        if (same(words[word]!, change.words[word - offset]!, visible - word * WORD)) {
          known[word] = 1;
          left--;
        } else if (change.done <= since) {
          const at = start + word * WORD;
          if (!this.#ends.has(at) || !this.#isOfTwoAges(at, words[word]!, visible - word * WORD, since, now))
            return word * WORD;
          known[word] = 1;
          left--;
        }
      }
    }
    return -1;
  }

  /** Whether each byte of a word is one that may be there, though not all of them were together. */
  #isOfTwoAges(position: number, word: bigint, visible: number, since: Moment, now: Moment): boolean {
    const legal = this.legalWords(position, since, now);
    for (let shift = 0n; shift < 8n * BigInt(Math.min(WORD, visible)); shift += 8n) {
      if (!legal.some((one) => ((one.word ^ word) >> shift) % 256n === 0n)) return false;
    }
    return true;
  }

  /**
   * Whether the first `visible` bytes of a page at `position` were ever together there, from `since` to `now`; but for words
   * that something stored under a write pin that lived then, which may mix.
   */
  wasWhole(position: number, bytes: Uint8Array, visible: number, since: Moment, now: Moment): boolean {
    const count = up(visible) / WORD;
    const words = wordsOf(bytes, count);
    const image = new BigUint64Array(count);
    const free = new Uint8Array(count);
    const changes = this.#touching(position, count, now);
    for (const change of changes) {
      if (change.pinned && change.done > since) each(change, position, count, (word) => (free[word] = 1));
    }
    const differs = (word: number) =>
      !free[word] && !same(words[word]!, image[word]!, visible - word * WORD) ? 1 : 0;
    let different = 0;
    for (let word = 0; word < count; word++) different += differs(word);
    for (const [n, change] of changes.entries()) {
      if (change.moment > since && change.moment !== changes[n - 1]?.moment && different === 0) return true;
      each(change, position, count, (word, value) => {
        different -= differs(word);
        image[word] = value;
        different += differs(word);
      });
    }
    return different === 0;
  }

  /** The words that may be at a place of the file after a crash at `now`: the newest first. */
  legalWords(position: number, since: Moment, now: Moment): { moment: Moment; word: bigint }[] {
    const found: { moment: Moment; word: bigint }[] = [];
    for (const change of this.#touching(down(position), 1, now).reverse()) {
      const before = found.length;
      each(change, down(position), 1, (_, word) => found.push({ moment: change.moment, word }));
      if (found.length > before && change.done <= since) break;
    }
    return found;
  }

  /** Changes up to `now` of the words of a page, in order. */
  #touching(position: number, count: number, now: Moment): Change[] {
    const found = new Set<Change>();
    const last = Math.ceil((position + count * WORD) / this.#piece);
    for (let piece = Math.floor(position / this.#piece); piece < last; piece++) {
      for (const change of this.#byPiece[piece]!) if (change.moment <= now) found.add(change);
    }
    return [...found].sort((a, b) => a.serial - b.serial);
  }
}

function each(
  { position, words }: Change,
  from: number,
  count: number,
  does: (word: number, value: bigint) => void,
): void {
  const offset = (position - from) / WORD;
  const end = Math.min(count, offset + words.length);
  for (let word = Math.max(0, offset); word < end; word++) does(word, words[word - offset]!);
}

/** Whether two words are the same, as far as they are visible. */
function same(a: bigint, b: bigint, visible: number): boolean {
  if (visible >= WORD) return a === b;
  return ((a ^ b) & ((1n << BigInt(visible * 8)) - 1n)) === 0n; // the first byte is the lowest
}

function wordsOf(bytes: Uint8Array, count: number): BigUint64Array {
  const words = new BigUint64Array(count);
  new Uint8Array(words.buffer).set(bytes.subarray(0, Math.min(bytes.length, count * WORD)));
  return words;
}
