// Generated traces: what caches meet, each kind pure enough that a policy's weakness shows.
import { createRandom } from '../../random';
import { permutation, zipfRanks } from '../../zipf';
import { sharedAccesses, type Trace } from './trace';

/** Puts accesses of a footprint of `pages` pages, numbered from 0, into `accesses`; one-touch pages are numbered from `pages` on. */
type Generator = (accesses: Int32Array, pages: number, random: () => number) => void;

/** A zipf distribution of `pages` pages, the most popular ones anywhere among their numbers. */
function zipfPages(pages: number, exponent: number, random: () => number): () => number {
  const rank = zipfRanks(pages, exponent, random);
  const pageOf = permutation(pages, random);
  return () => pageOf[rank()]!;
}

const zipf =
  (exponent: number): Generator =>
  (accesses, pages, random) => {
    const draw = zipfPages(pages, exponent, random);
    for (let i = 0; i < accesses.length; i++) accesses[i] = draw();
  };

/** After `between` zipf accesses comes a scan of `scan` pages that are never touched again; both in footprints. */
const zipfAndScans =
  (exponent: number, between: number, scan: number): Generator =>
  (accesses, pages, random) => {
    const draw = zipfPages(pages, exponent, random);
    const period = Math.round(pages * (between + scan));
    const zipfs = Math.round(pages * between);
    let once = pages;
    for (let i = 0; i < accesses.length; i++) accesses[i] = i % period < zipfs ? draw() : once++;
  };

/** One access in so many is of a page that is never touched again. */
const zipfAndSingles =
  (exponent: number, share: number): Generator =>
  (accesses, pages, random) => {
    const draw = zipfPages(pages, exponent, random);
    let once = pages;
    for (let i = 0; i < accesses.length; i++) accesses[i] = random() < share ? once++ : draw();
  };

/** A loop over a share of the footprint; after each `accesses ÷ loops` accesses over another part of it. */
const loop =
  (share: number, loops = 1): Generator =>
  (accesses, pages) => {
    const length = Math.round(pages * share);
    const each = Math.ceil(accesses.length / loops);
    for (let i = 0; i < accesses.length; i++) {
      const which = Math.floor(i / each);
      accesses[i] = (which * length + ((i - which * each) % length)) % pages;
    }
  };

/** Half of the accesses loop over half of the footprint; the others are zipf over the rest. */
const loopAndZipf =
  (exponent: number): Generator =>
  (accesses, pages, random) => {
    const half = pages >>> 1;
    const draw = zipfPages(half, exponent, random);
    let next = 0;
    for (let i = 0; i < accesses.length; i++) {
      if (random() < 0.5) accesses[i] = draw();
      else accesses[i] = half + (next++ % (pages - half));
    }
  };

/** The most re-touches of a new page. */
const RETOUCHES_MAX = 4;
/** Of new pages, one in so many is one that was new before. */
const COMES_BACK = 0.05;

/**
 * Zipf accesses, and among them pages that come in and are touched 1 to 4 times more within the next accesses, each at most
 * `gap` after the one before, and then mostly never again: as the pages of an index by the operation that needs them.
 */
const retouches =
  (exponent: number, zipfShare: number, gap: number): Generator =>
  (accesses, pages, random) => {
    const draw = zipfPages(pages, exponent, random);
    const due = new Map<number, number[]>();
    let once = pages;
    for (let i = 0; i < accesses.length; i++) {
      const [touch, ...late] = due.get(i) ?? [];
      due.delete(i);
      if (touch !== undefined) {
        accesses[i] = touch;
        if (late.length > 0) due.set(i + 1, [...late, ...(due.get(i + 1) ?? [])]);
        continue;
      }
      if (random() < zipfShare) {
        accesses[i] = draw();
        continue;
      }
      const isBack = once > pages && random() < COMES_BACK;
      const page = isBack ? pages + Math.floor(random() * (once - pages)) : once++;
      accesses[i] = page;
      let at = i;
      for (let n = Math.ceil(random() * RETOUCHES_MAX); n > 0; n--) {
        at += 1 + Math.floor(random() * gap);
        due.set(at, [...(due.get(at) ?? []), page]);
      }
    }
  };

/** Zipf over half of the footprint; `jumps` times another half, in another order, all at once. */
const jumpingZipf =
  (exponent: number, jumps: number): Generator =>
  (accesses, pages, random) => {
    const rank = zipfRanks(pages >>> 1, exponent, random);
    const each = Math.ceil(accesses.length / jumps);
    let pageOf: number[] = [];
    for (let i = 0; i < accesses.length; i++) {
      if (i % each === 0) pageOf = permutation(pages, random);
      accesses[i] = pageOf[rank()]!;
    }
  };

/** Zipf over a quarter of the footprint, which moves on page by page, `rounds` times through all of it. */
const slidingZipf =
  (exponent: number, rounds: number): Generator =>
  (accesses, pages, random) => {
    const draw = zipfPages(pages >>> 2, exponent, random);
    const speed = (rounds * pages) / accesses.length;
    for (let i = 0; i < accesses.length; i++) accesses[i] = (Math.floor(i * speed) + draw()) % pages;
  };

/** Nine of ten accesses are spread evenly over a hot set; `jumps` times another, all at once. */
const jumpingHotSet =
  (share: number, jumps: number): Generator =>
  (accesses, pages, random) => {
    const hot = Math.round(pages * share);
    const each = Math.ceil(accesses.length / jumps);
    let pageOf: number[] = [];
    for (let i = 0; i < accesses.length; i++) {
      if (i % each === 0) pageOf = permutation(pages, random);
      accesses[i] = pageOf[Math.floor(random() * (random() < 0.9 ? hot : pages))]!;
    }
  };

/** By name, in the order of the tables. Shares of the footprint in names are percent. */
const GENERATORS: Record<string, Generator> = {
  'zipf 0.6': zipf(0.6),
  'zipf 0.8': zipf(0.8),
  'zipf 1.0': zipf(1.0),
  'zipf 1.2': zipf(1.2),
  'zipf 0.8 + scans': zipfAndScans(0.8, 0.4, 0.2),
  'zipf 1.0 + scans': zipfAndScans(1.0, 0.4, 0.2),
  'zipf 0.8 + singles': zipfAndSingles(0.8, 0.3),
  'loop over 11%': loop(0.11),
  'loop over 13%': loop(0.13),
  'loop over 20%': loop(0.2),
  'loop over all': loop(1),
  'loops over 12%': loop(0.12, 8),
  'loop + zipf 0.9': loopAndZipf(0.9),
  're-touches, zipf': retouches(0.9, 0.6, 20),
  're-touches, late': retouches(0.9, 0.3, 60),
  'zipf 0.9 jumps': jumpingZipf(0.9, 10),
  'zipf 0.8 slides': slidingZipf(0.8, 2),
  'hot 8% jumps': jumpingHotSet(0.08, 20),
};

export const TRACE_NAMES = Object.keys(GENERATORS);
/** The trace of the control: who does not withstand scans falls behind here. */
export const SCAN_TRACE = 'zipf 0.8 + scans';

/** The same accesses for the same arguments. */
export function generate(name: string, accesses: number, footprint: number, seed: number): Trace {
  const generator = GENERATORS[name];
  if (generator === undefined) throw new Error(`no generator is called '${name}'`);
  const shared = sharedAccesses(accesses);
  // Each trace its own sequence, whatever is generated before it; xorshift takes a few steps to tell near seeds apart.
  const random = createRandom(
    Math.imul(seed, 0x9e3779b1) + Math.imul(TRACE_NAMES.indexOf(name) + 1, 0x85ebca6b),
  );
  for (let n = 0; n < 16; n++) random();
  generator(shared, footprint, random);
  let last = 0;
  for (const page of shared) if (page > last) last = page;
  return { name, accesses: shared, pages: last + 1, footprint };
}
