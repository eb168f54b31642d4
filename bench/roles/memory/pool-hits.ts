import { type CachedFile, PageCache } from 'pinfold';
import { PAGE_BYTES } from '../../files';
import { interleave, type Variant } from '../../interleave';
import type { Arm, PoolHitsResult, PoolHitsTask } from '../../scenarios/memory/tasks';
import { frameChooser, frameOf, loadsOf, memoryOf, partsOf } from './frames';

const HITS = 8_192;
const SEED = 12_345;
/** Where in a page its bytes stand: on another cache line from page to page. */
const LINE_SHIFT = 6;
const LINES = PAGE_BYTES >> LINE_SHIFT;

type Name = 'under' | 'under again' | 'over' | 'loads under' | 'loads over';

/**
 * Hits in two pools in turns, the hot pages of each at frames all over it; and once more in the one: two identical variants.
 * And what any cache has to load for a hit, in each: what the processor makes of as many lines that are further apart.
 */
export function poolHits(task: PoolHitsTask): PoolHitsResult {
  const under = opened(task.under, task.pages);
  const over = opened(task.over, task.pages);
  try {
    const variants = [
      views('under', under.file, task.pages),
      views('over', over.file, task.pages),
      views('under again', under.file, task.pages),
      loads('loads under', task.under, under.frames),
      loads('loads over', task.over, over.frames),
    ];
    const { rounds, checksum } = interleave<Name>(variants, task.durationMs, task.stop);
    return {
      under: rounds.under ?? [],
      underAgain: rounds['under again'] ?? [],
      over: rounds.over ?? [],
      loadsUnder: rounds['loads under'] ?? [],
      loadsOver: rounds['loads over'] ?? [],
      hotMemories: over.memories,
      hotParts: over.parts,
      checksum,
    };
  } finally {
    under.close();
    over.close();
  }
}

function opened({ handle, path }: Arm, pages: number) {
  const cache = PageCache.attach(handle);
  // No page but those asked for: their frames are chosen.
  const file = cache.openSync(path, { mode: 'r', access: 'random' });
  const chooseFrame = frameChooser(handle);
  const memories = new Set<number>();
  const frames: number[] = [];
  for (let index = 0; index < pages; index++) {
    chooseFrame();
    const page = file.pinSync(index);
    memories.add(memoryOf(handle, page.bytes));
    frames.push(frameOf(handle, page.bytes));
    page.unpin();
  }
  return {
    file,
    frames,
    memories: memories.size,
    parts: partsOf(handle, frames),
    close() {
      file.closeSync();
      cache.detach();
    },
  };
}

const firstByte = (bytes: Uint8Array, at: number): number => bytes[at];

function views(name: Name, file: CachedFile, pages: number): Variant<Name> {
  const mask = pages - 1;
  let x = SEED;
  return {
    name,
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += file.viewSync(x & mask, firstByte, (x & (LINES - 1)) << LINE_SHIFT);
      }
      return sum;
    },
  };
}

function loads(name: Name, { handle }: Arm, frames: number[]): Variant<Name> {
  const load = loadsOf(handle, frames);
  const mask = frames.length - 1;
  let x = SEED;
  return {
    name,
    operations: HITS,
    run() {
      let sum = 0;
      for (let i = 0; i < HITS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        sum += load(x & mask, (x & (LINES - 1)) << LINE_SHIFT);
      }
      return sum;
    },
  };
}
