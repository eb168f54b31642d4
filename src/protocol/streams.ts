// Streams: which of a reader's pages follow each other at a fixed distance, so that the next ones can be brought in ahead of
// need. One detector a handle, so a thread's. It is told of misses, and of hits only where it set its trigger: what it does
// not need to know costs a hit one comparison.
//
// Of a stream it knows the last page it was told of, the distance, and the first page that has not been asked for. The first
// window is small and each doubles up to a cap. The next is asked for when the reader enters the last one: so a window is on
// its way while the one before is used up.

/** Streams that are told apart at a time: scans that take turns. */
const STREAMS = 4;
/** The first window, in pages. */
const WINDOW_MIN = 4;
/** Equal distances in turn that make a stream. Of neighbours one is enough: they are rarely such by chance. */
const STRIDES_MIN = 3;

export interface StreamLimits {
  /** The largest window, in pages: of neighbours, and of pages further apart. */
  readonly window: number;
  readonly stridedWindow: number;
  /** Neighbours that are read at once. */
  readonly run: number;
  /** The longest distance between pages of a stream. */
  readonly stride: number;
  /** A reader that has said that it goes through the file: the first miss is a stream with its largest window. */
  readonly sequential: boolean;
}

interface Stream {
  /** The last page that it was told of; and how many were needed with it. */
  last: number;
  pages: number;
  /** 0: only one page is known. Negative: backwards. */
  stride: number;
  /** Equal distances seen in turn. */
  seen: number;
  /** Pages in the window last asked for; 0: it is no stream yet. */
  window: number;
  /** The first page that has not been asked for. */
  end: number;
  /** The page whose use asks for the next window; -1: none. */
  trigger: number;
  /** When it was last told of. */
  used: number;
}

export class Streams {
  readonly #limits: StreamLimits;
  readonly #streams: Stream[] = [];
  #clock = 0;
  #current: Stream | undefined;
  /** The page whose hit it wants to be told of, by `hit`; -1: none. */
  trigger = -1;
  /**
   * What the last call found: so many pages from the one missed on are worth reading at once, more than are needed if they
   * are of a stream of neighbours; and a window of `ahead` pages from `from` on, `stride` apart, is to be asked for, of which `asked` is told.
   */
  here = 1;
  ahead = 0;
  from = 0;
  stride = 1;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** `pages` pages from `index` on are needed, and the first of them at least is not there. */
  miss(index: number, pages: number): void {
    this.here = pages;
    this.ahead = 0;
    const last = index + pages - 1;
    const stream = this.#find(index, pages);
    stream.used = ++this.#clock;
    stream.last = last;
    stream.pages = pages;
    this.#current = stream;
    if (stream.window === 0) return;
    const neighbours = stream.stride === 1;
    if (neighbours) this.here = Math.max(pages, Math.min(stream.window, this.#limits.run));
    this.#askFrom(stream, neighbours ? index + this.here : index + stream.stride);
  }

  /** The trigger has been hit. */
  hit(): void {
    this.here = 0;
    this.ahead = 0;
    const stream = this.#current;
    const { trigger } = this;
    this.trigger = -1;
    if (stream === undefined || stream.trigger !== trigger) return;
    stream.used = ++this.#clock;
    stream.last = trigger;
    stream.window = Math.min(2 * stream.window, this.#cap(stream));
    this.#askFrom(stream, stream.end);
  }

  /** Of the window that the last call wanted `pages` pages have been asked for. */
  asked(pages: number): void {
    const stream = this.#current;
    if (stream === undefined || this.ahead === 0) return;
    stream.end = this.from + pages * this.stride;
    stream.trigger = pages > 0 ? this.from : -1;
    this.trigger = stream.trigger;
  }

  #cap(stream: Stream): number {
    return stream.stride === 1 ? this.#limits.window : this.#limits.stridedWindow;
  }

  #askFrom(stream: Stream, from: number): void {
    this.from = from;
    this.stride = stream.stride;
    this.ahead = from < 0 ? 0 : stream.window;
    if (stream.stride < 0) this.ahead = Math.min(this.ahead, Math.floor(from / -stream.stride) + 1);
    stream.end = from;
    if (this.ahead <= 0) this.ahead = 0;
  }

  /** The stream that the page belongs to, or may become one of. Its window is what is to be asked for. */
  #find(index: number, pages: number): Stream {
    for (const stream of this.#streams) {
      if (stream.window === 0 || !isWithin(stream, index)) continue;
      // At the end of what was asked for it goes on. Before that, a page was asked for and is not there: it was taken
      // from the cache before its use, so so much is too much.
      stream.window =
        index === stream.end ? Math.min(2 * stream.window, this.#cap(stream)) : this.#first(stream, pages);
      return stream;
    }
    for (const stream of this.#streams) {
      if (stream.window > 0 || index - stream.last !== 1) continue;
      stream.stride = 1;
      stream.window = this.#first(stream, pages);
      return stream;
    }
    // Only single pages: of longer reads that are apart it is not known where the next ends.
    if (pages > 1) return this.#fresh(index);
    for (const stream of this.#streams) {
      if (stream.window > 0 || stream.pages > 1 || index - stream.last !== stream.stride) continue;
      stream.seen++;
      if (stream.seen >= STRIDES_MIN) stream.window = this.#first(stream, pages);
      return stream;
    }
    return this.#near(index) ?? this.#fresh(index);
  }

  /** A stream's first window: more for who reads more at a time. */
  #first(stream: Stream, pages: number): number {
    const cap = this.#cap(stream);
    return this.#limits.sequential ? cap : Math.min(Math.max(WINDOW_MIN, 2 * pages), cap);
  }

  /** The page that was missed last, if it is no stream's and near: the two may be the beginning of one. */
  #near(index: number): Stream | undefined {
    if (this.#limits.sequential) return undefined;
    let near: Stream | undefined;
    for (const stream of this.#streams) {
      if (stream.window > 0 || stream.pages > 1) continue;
      if (near !== undefined && near.used > stream.used) continue;
      const distance = Math.abs(index - stream.last);
      if (distance > 0 && distance <= this.#limits.stride) near = stream;
    }
    if (near === undefined) return undefined;
    near.stride = index - near.last;
    near.seen = 1;
    return near;
  }

  /** A place for a page that belongs to nothing: that of the stream which has been quiet for longest. */
  #fresh(index: number): Stream {
    let stream = this.#streams[0];
    if (this.#streams.length < STREAMS) {
      stream = { last: 0, pages: 1, stride: 0, seen: 0, window: 0, end: 0, trigger: -1, used: 0 };
      this.#streams.push(stream);
    } else {
      for (const each of this.#streams) if (each.used < stream!.used) stream = each;
    }
    const fresh = stream!;
    const { sequential } = this.#limits;
    fresh.last = index;
    fresh.stride = sequential ? 1 : 0;
    fresh.seen = 0;
    fresh.window = sequential ? this.#limits.window : 0;
    fresh.end = index;
    fresh.trigger = -1;
    return fresh;
  }
}

/** Whether the page is one that the stream has asked for, or the next. */
function isWithin({ last, stride, end }: Stream, index: number): boolean {
  const steps = (index - last) / stride;
  return steps > 0 && Number.isInteger(steps) && steps <= (end - last) / stride;
}
