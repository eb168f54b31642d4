import type { CheckedOptions } from '../options';
import * as L from './layout';

/** Bytes in one data memory: what a WebAssembly memory, and a view of it on Node 20, can span. */
const MEMORY_LIMIT = 2 ** 32;
const WASM_PAGE = 65_536;
const KIB = 1024;
/** The file worker's, and its successor's. */
export const FILE_WORKER_ROWS = 2;

/** Where everything is: computed once by the creator, carried in the handle. Bytes unless named otherwise. */
export interface Geometry {
  readonly pageSize: number;
  readonly frames: number;
  /** Frames in each data memory but the last. */
  readonly framesPerMemory: number;
  /** Sizes of the data memories. The staging areas lie behind the frames of the last. */
  readonly dataBytes: readonly number[];
  readonly stagingAreas: number;
  readonly stagingPages: number;
  readonly stagingAt: number;
  readonly controlBytes: number;
  readonly rows: number;
  /** The first rows are the service threads': flushers and one more, then two for the file worker. */
  readonly serviceRows: number;
  readonly rowBytes: number;
  readonly files: number;
  readonly maxPins: number;
}

/** The largest bias of layout.ts. */
const BIAS_MAX = L.GHOSTS;

const roundUp = (value: number, unit: number) => Math.ceil(value / unit) * unit;
const powerOfTwoAtMost = (value: number) => 2 ** Math.floor(Math.log2(value));
const powerOfTwoAtLeast = (value: number) => 2 ** Math.ceil(Math.log2(value));

/** In a pool with fewer frames the hand decides alone: a share of them is nothing to tell pages apart by. */
const QUEUES_FRAMES_MIN = 64;
/** Share of the frames for pages on probation, at the least and at the most. */
const PROBATION = 0.07;
const PROBATION_MOST = 0.4;
/** Share of the least probation in which touches don't count. */
const WINDOW = 0.5;
/** Share of the frames for pages read once; and the most, which readahead does not outrun. */
const ONCE = 1 / 16;
const ONCE_MAX = 1024;
/** Ghosts are forgotten after so many pages were taken, in frames. */
const GHOST_AGE = 1;
/** Time units in a ghost's age, at the least. */
const GHOST_UNITS = 256;

/** Entries of a ring beyond its share: more than threads can put there at a time. */
const RING_SLACK = 256;

/** What replacement knows pages by (kernel/control/policy.ts); pages and entries. */
interface Queues {
  probation: number;
  probationMost: number;
  /** A power of two. */
  lately: number;
  window: number;
  once: number;
  ring: number;
  onceRing: number;
  ghostLines: number;
  ghostAge: number;
  ghostShift: number;
}

function queuesOf(frames: number): Queues {
  if (frames < QUEUES_FRAMES_MIN) {
    return {
      probation: 0,
      probationMost: 0,
      lately: 1,
      window: 0,
      once: 0,
      ring: 1,
      onceRing: 1,
      ghostLines: 1,
      ghostAge: 0,
      ghostShift: 0,
    };
  }
  const probation = Math.floor(frames * PROBATION);
  const once = Math.min(ONCE_MAX, Math.floor(frames * ONCE));
  const ghosts = Math.floor(frames * GHOST_AGE);
  const ghostShift = Math.max(0, Math.floor(Math.log2(ghosts / GHOST_UNITS)));
  const probationMost = Math.floor(frames * PROBATION_MOST);
  return {
    probation,
    probationMost,
    lately: powerOfTwoAtMost(frames / 8),
    window: Math.floor(probation * WINDOW),
    once,
    ring: powerOfTwoAtLeast(probationMost + RING_SLACK),
    onceRing: powerOfTwoAtLeast(once + RING_SLACK),
    ghostLines: Math.ceil(frames / L.GHOSTS_PER_LINE),
    ghostAge: ghosts >> ghostShift,
    ghostShift,
  };
}

interface Regions {
  at: Record<
    | 'buckets'
    | 'frames'
    | 'dirty'
    | 'epochs'
    | 'unstable'
    | 'groups'
    | 'summary'
    | 'files'
    | 'rows'
    | 'paths'
    | 'ring'
    | 'once'
    | 'ghosts',
    number
  >;
  queues: Queues;
  bucketMask: number;
  frameBits: number;
  fileWords: number;
  summaryWords: number;
  end: number;
}

/** The regions of the control memory, in the order of the picture in layout.ts. */
function regionsOf(g: Pick<Geometry, 'frames' | 'rows' | 'rowBytes' | 'files'>): Regions {
  // Half of the entries are free on average at the most; buckets are a power of two, for the mask.
  const buckets = powerOfTwoAtLeast(Math.max(1, g.frames / 8));
  const groups = Math.ceil(g.frames / 32);
  const fileWords = Math.ceil(groups / 32);
  const summaryWords = Math.ceil(fileWords / 32);
  const queues = queuesOf(g.frames);
  let end = L.HEADER_MAGIC + L.HEADER_BYTES;
  const region = (bytes: number) => {
    const at = end;
    end = roundUp(end + bytes, L.FRAME_BYTES);
    return at;
  };
  const lookup = { buckets: region(buckets * L.BUCKET_BYTES), frames: region(g.frames * L.FRAME_BYTES) };
  // A base is kept biased, and a WebAssembly address does not wrap: no region may start below its bias.
  end = Math.max(end, roundUp(BIAS_MAX, L.FRAME_BYTES));
  const at = {
    ...lookup,
    dirty: region(groups * 4),
    epochs: region(groups * 4),
    unstable: region(groups * 4),
    groups: region(g.files * fileWords * 4),
    summary: region(g.files * summaryWords * 4),
    files: region(g.files * L.FILE_BYTES),
    rows: region(g.rows * g.rowBytes),
    paths: region(L.PATH_AREAS * L.PATH_BYTES),
    ring: region(queues.ring * 4),
    once: region(queues.onceRing * 4),
    ghosts: region(queues.ghostLines * L.GHOST_LINE_BYTES),
  };
  // Frame + 1 must fit below the tag.
  const frameBits = Math.ceil(Math.log2(g.frames + 2));
  return { at, queues, bucketMask: buckets - 1, frameBits, fileWords, summaryWords, end };
}

export function geometryOf(options: CheckedOptions): Geometry {
  const { pageSize, memory } = options;
  // Areas of 256 KiB, where one write costs little more than the bytes it moves; in a small pool a 32nd of it.
  const stagingPages = Math.max(
    1,
    Math.min(L.WRITEBACKS, powerOfTwoAtMost(Math.min(256 * KIB, memory / 32) / pageSize)),
  );
  const areaBytes = stagingPages * pageSize;
  const stagingAreas = Math.min(8, Math.max(2, Math.floor(memory / (areaBytes * 32))));
  const frames = Math.floor((memory - stagingAreas * areaBytes) / pageSize);
  const framesPerMemory = Math.floor((MEMORY_LIMIT - stagingAreas * areaBytes) / pageSize);
  const dataBytes: number[] = [];
  for (let left = frames; left > 0; left -= framesPerMemory) {
    dataBytes.push(Math.min(left, framesPerMemory) * pageSize);
  }
  const stagingAt = dataBytes.at(-1)!;
  dataBytes[dataBytes.length - 1] = stagingAt + stagingAreas * areaBytes;
  // A spare row for each class: a dead service thread's successor starts before its row is recovered.
  const serviceRows = options.flushers + 1 + FILE_WORKER_ROWS;
  const rows = serviceRows + options.maxThreads;
  const fileBits = Math.ceil(options.maxFiles / 32) * 4;
  const rowBytes = roundUp(L.ROW_PINS - L.ROW_BIAS + options.maxPinsPerThread * 4 + fileBits, L.FRAME_BYTES);
  const base = {
    pageSize,
    frames,
    framesPerMemory,
    dataBytes,
    stagingAreas,
    stagingPages,
    stagingAt,
    rows,
    serviceRows,
    rowBytes,
    files: options.maxFiles,
    maxPins: options.maxPinsPerThread,
  };
  return { ...base, controlBytes: roundUp(regionsOf(base).end, WASM_PAGE) };
}

/** Writes the header and what does not start as zero, into a new control memory. */
export function initialize(words: Int32Array, g: Geometry, keep: boolean): void {
  const regions = regionsOf(g);
  const set = (byte: number, value: number) => {
    words[byte >> 2] = value;
  };
  set(L.HEADER_VERSION, L.LAYOUT_VERSION);
  set(L.HEADER_FRAMES, g.frames);
  set(L.HEADER_FRAME_BITS, regions.frameBits);
  set(L.HEADER_BUCKET_MASK, regions.bucketMask);
  set(L.HEADER_ROWS, g.rows);
  set(L.HEADER_ROW_BYTES, g.rowBytes);
  set(L.HEADER_MAX_PINS, g.maxPins);
  set(L.HEADER_FILES, g.files);
  set(L.HEADER_FILE_WORDS, regions.fileWords);
  set(L.HEADER_FILE_SUMMARY_WORDS, regions.summaryWords);
  set(L.HEADER_KEEP, keep ? 1 : 0);
  set(L.HEADER_AT_BUCKETS, regions.at.buckets);
  set(L.HEADER_AT_FRAMES, regions.at.frames);
  set(L.HEADER_AT_DIRTY, regions.at.dirty);
  set(L.HEADER_AT_EPOCHS, regions.at.epochs);
  set(L.HEADER_AT_UNSTABLE, regions.at.unstable);
  set(L.HEADER_AT_GROUPS, regions.at.groups);
  set(L.HEADER_AT_SUMMARY, regions.at.summary);
  set(L.HEADER_AT_FILES, regions.at.files);
  set(L.HEADER_AT_ROWS, regions.at.rows);
  set(L.HEADER_AT_PATHS, regions.at.paths);
  set(L.HEADER_AT_RING, regions.at.ring);
  set(L.HEADER_AT_ONCE, regions.at.once);
  set(L.HEADER_AT_GHOSTS, regions.at.ghosts);
  set(L.HEADER_PROBATION, regions.queues.probation);
  set(L.HEADER_PROBATION_MOST, regions.queues.probationMost);
  set(L.HEADER_TARGET, regions.queues.probation * 16);
  set(L.HEADER_LATELY_MASK, regions.queues.lately - 1);
  set(L.HEADER_WINDOW, regions.queues.window);
  set(L.HEADER_ONCE, regions.queues.once);
  set(L.HEADER_RING_MASK, regions.queues.ring - 1);
  set(L.HEADER_ONCE_MASK, regions.queues.onceRing - 1);
  set(L.HEADER_GHOST_LINES, regions.queues.ghostLines);
  set(L.HEADER_GHOST_AGE, regions.queues.ghostAge);
  set(L.HEADER_GHOST_SHIFT, regions.queues.ghostShift);
  set(L.HEADER_SERVICE_ROWS, g.serviceRows);
  set(L.HEADER_STAGING_AREAS, g.stagingAreas);
  for (let frame = 0; frame < g.frames; frame++) {
    set(regions.at.frames + frame * L.FRAME_BYTES + L.FRAME_FILE, -1);
  }
  for (let row = 0; row < g.rows; row++) {
    const at = regions.at.rows - L.ROW_BIAS + row * g.rowBytes;
    set(at + L.ROW_THREAD, -1);
    set(at + L.ROW_STARTED, -(2 ** 30)); // long ago
  }
  set(L.HEADER_CREATOR, -1);
  for (let file = 0; file < g.files; file++) {
    const at = regions.at.files - L.FILE_BIAS + file * L.FILE_BYTES;
    set(at + L.FILE_REFS, -1);
    set(at + L.FILE_ROUND_OPEN, 1);
  }
  set(L.HEADER_LIFE, L.LIFE_OPEN);
  set(L.HEADER_MAGIC, L.MAGIC);
}
