import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { engineOf, layout as L } from '#harness';
import { NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { createRandom } from '../../random';
import { type KeepSamplerResult, type KeepSamplerTask, UPDATED_PAGES } from './task';

/** From one sample to the next, ms: at random, so that it keeps no step with fsync or the pins. */
const GAP_MIN_MS = 20;
const GAP_MAX_MS = 80;

/** What a look at a page says. */
type Look = 'true' | 'false dirty' | 'false clean' | 'false clean, free' | 'unsettled';

/** Compares the gauge of dirty pages with the truth: with the pages whose bytes in the cache differ from the file's. */
export function keepSampler(task: KeepSamplerTask): KeepSamplerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const fd = fs.openSync(task.dataPath, 'r');
  const random = createRandom(task.seed);
  const endNs = task.startNs + task.durationMs * NS_PER_MS;
  const result: KeepSamplerResult = {
    samples: 0,
    dirty: 0,
    pinnedDirty: 0,
    writePins: 0,
    truth: 0,
    falseDirty: 0,
    falseClean: 0,
    freeFalseClean: 0,
    unsettled: 0,
    flusherCpuMs: null,
  };
  try {
    const look = lookAt(file, fd);
    if (!sleepUntil(task.stop, task.startNs)) return result;
    const cpuBefore = flusherCpuMs(file);
    const next = () => nowNs() + (GAP_MIN_MS + random() * (GAP_MAX_MS - GAP_MIN_MS)) * NS_PER_MS;
    while (sleepUntil(task.stop, next()) && nowNs() < endNs) {
      const { dirty, pinnedDirty, writePins } = cache.stats();
      result.samples++;
      result.dirty += dirty;
      result.pinnedDirty += pinnedDirty;
      result.writePins += writePins;
      for (let page = 0; page < 2 * task.pinned + UPDATED_PAGES; page++) {
        const { said, differs } = look(page);
        if (differs) result.truth++;
        if (said === 'false dirty') result.falseDirty++;
        if (said === 'false clean') result.falseClean++;
        if (said === 'false clean, free') result.freeFalseClean++;
        if (said === 'unsettled') result.unsettled++;
      }
    }
    const cpuAfter = flusherCpuMs(file);
    if (cpuBefore !== null && cpuAfter !== null) result.flusherCpuMs = cpuAfter - cpuBefore;
    return result;
  } finally {
    fs.closeSync(fd);
    file.closeSync();
    cache.detach();
  }
}

/** Words of a frame that stand still while nobody writes, updates, drops or takes its page. */
const STANDING = [L.FRAME_FILE, L.FRAME_INDEX, L.FRAME_VERSION, L.FRAME_USEQ, L.FRAME_WRITEBACKS];
const IN_MOTION = L.WRITEBACK | L.UPDATING | L.CLAIMED | L.ORPHAN;

function lookAt(file: CachedFile, fd: number): (page: number) => { said: Look; differs: boolean } {
  const { attachment, id } = engineOf(file);
  const { kernel } = attachment;
  const inFile = Buffer.alloc(PAGE_BYTES);
  return (page) => {
    const frame = kernel.control.lookup(id, page);
    if (frame < 0) return { said: 'true', differs: false }; // not in the cache: nothing to be dirty
    const words = () => STANDING.map((field) => kernel.frameWord(frame, field));
    const state = () => kernel.frameWord(frame, L.FRAME_STATE);
    const before = state();
    const stood = words();
    fs.readSync(fd, inFile, 0, PAGE_BYTES, page * PAGE_BYTES);
    const differs = Buffer.compare(inFile, attachment.bytes.of(frame)) !== 0;
    const after = state();
    const moved = words().some((word, n) => word !== stood[n]) || ((before ^ after) & ~L.USE_MASK) !== 0;
    if (moved || before & IN_MOTION) return { said: 'unsettled', differs: false };
    const dirty = (before & L.DIRTY) !== 0;
    if (dirty === differs) return { said: 'true', differs };
    if (dirty) return { said: 'false dirty', differs };
    return { said: before & L.WRITE_MASK ? 'false clean' : 'false clean, free', differs };
  };
}

/** CPU time of the cache's flushers until now, by the scheduler's count; null where there is none. */
function flusherCpuMs(file: CachedFile): number | null {
  const { kernel } = engineOf(file).attachment;
  let ns = 0;
  for (const owner of kernel.owners()) {
    if (kernel.rowWord(owner, L.ROW_KIND) !== L.KIND_FLUSHER) continue;
    try {
      const stat = fs.readFileSync(`/proc/self/task/${kernel.rowWord(owner, L.ROW_TID)}/schedstat`, 'utf8');
      ns += Number(stat.split(' ')[0]);
    } catch {
      return null;
    }
  }
  return ns / NS_PER_MS;
}
