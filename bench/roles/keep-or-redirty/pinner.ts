import { type CachedFile, type Page, PageCache } from 'pinfold';
import { NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { createRandom } from '../../random';
import {
  CYCLE_NS,
  GROUPS,
  IDLE_SHARE,
  type KeepPinnerResult,
  type KeepPinnerTask,
  STORE_EVERY_NS,
  TRANSFER_WORDS,
} from './task';

interface Held {
  page: Page;
  words: Int32Array;
  /** Of the last transfer into it; 0: nothing comes under this pin. */
  transfer: number;
  idle: boolean;
}

/** Pages that are pinned and dropped together. */
interface Group {
  first: number;
  pages: number;
  turn: number;
  held: Held[];
  beginNs: number;
  /** When it is due next, for whatever is next. */
  dueNs: number;
}

/** The device: pins pages batch by batch, stores into most of them while it holds them, drops them. */
export function keepPinner(task: KeepPinnerTask): KeepPinnerResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const pinner = new Pinner(task, file);
  try {
    if (task.pinned > 0) {
      file.prefetchSync(0, 2 * task.pinned);
      pinner.run();
    }
    return pinner.result;
  } finally {
    pinner.dropAll();
    file.closeSync();
    cache.detach();
  }
}

class Pinner {
  readonly #task: KeepPinnerTask;
  readonly #file: CachedFile;
  readonly #random: () => number;
  readonly #groups: Group[];
  readonly result: KeepPinnerResult;

  constructor(task: KeepPinnerTask, file: CachedFile) {
    this.#task = task;
    this.#file = file;
    this.#random = createRandom(task.seed);
    this.result = { pins: 0, idle: 0, anew: 0, nextTransfer: task.firstTransfer };
    const cycleNs = Math.max(task.holdNs, CYCLE_NS);
    const start = (group: number) => Math.round((task.pinned * group) / GROUPS);
    this.#groups = Array.from({ length: GROUPS }, (_, group) => ({
      first: start(group),
      pages: start(group + 1) - start(group),
      turn: 0,
      held: [],
      beginNs: 0,
      dueNs: task.startNs + (group * cycleNs) / GROUPS,
    }));
  }

  run(): void {
    const { stop, startNs, durationMs } = this.#task;
    const endNs = startNs + durationMs * NS_PER_MS;
    for (;;) {
      const group = this.#groups.reduce((first, each) => (each.dueNs < first.dueNs ? each : first));
      if (group.dueNs >= endNs || !sleepUntil(stop, group.dueNs)) return;
      this.#step(group);
    }
  }

  /** Does what the group is due for: begins a hold, stores under it, or ends it. */
  #step(group: Group): void {
    const { holdNs } = this.#task;
    const cycleNs = Math.max(holdNs, CYCLE_NS);
    if (group.held.length === 0) {
      group.beginNs = group.dueNs;
      this.#take(group);
      this.#store(group);
    } else if (group.dueNs < group.beginNs + holdNs) this.#store(group);
    if (group.dueNs >= group.beginNs + holdNs) {
      for (const held of group.held.splice(0)) this.#drop(held);
      // A late thread starts anew: the holds must not become shorter.
      group.dueNs = Math.max(group.beginNs + cycleNs, nowNs() - cycleNs);
    } else group.dueNs = Math.min(group.dueNs + STORE_EVERY_NS, group.beginNs + holdNs);
  }

  #take(group: Group): void {
    const half = (group.turn++ % 2) * this.#task.pinned;
    for (let n = 0; n < group.pages; n++) {
      const page = this.#file.pinSync(half + group.first + n, 'write');
      const words = new Int32Array(page.bytes.buffer, page.bytes.byteOffset, TRANSFER_WORDS);
      const idle = this.#random() < IDLE_SHARE;
      group.held.push({ page, words, transfer: 0, idle });
      this.result.pins++;
      if (idle) this.result.idle++;
    }
  }

  #store(group: Group): void {
    for (const held of group.held) {
      if (held.idle) continue;
      if (this.#task.anew && held.transfer > 0) this.#pinAnew(held);
      held.transfer = this.result.nextTransfer++;
      held.words.fill(held.transfer, 1);
      Atomics.store(held.words, 0, held.transfer);
      Atomics.store(this.#task.transfers.stored, held.page.index, held.transfer);
    }
  }

  /** The page has no moment without a pin, so its bytes stay where they are. */
  #pinAnew(held: Held): void {
    const anew = this.#file.pinSync(held.page.index, 'write');
    this.#drop(held);
    held.page = anew;
    this.result.anew++;
  }

  #drop({ page, transfer, idle }: Held): void {
    page.unpin({ dirty: !idle });
    if (!idle) Atomics.store(this.#task.transfers.dropped, page.index, transfer);
  }

  dropAll(): void {
    for (const group of this.#groups) for (const held of group.held.splice(0)) this.#drop(held);
  }
}
