// The threads that stay while workers come and go: each does one thing at fixed times, whatever became of the one before.
import fs from 'node:fs';
import { type CachedFile, PageCache } from 'pinfold';
import { PAGE_BYTES } from '../../files';
import { createRandom } from '../../random';
import { fillRecord, judgeRecord, RECORD_BYTES, RECORD_WORDS } from '../../record';
import type { ChurnTruth, SteadyRole } from '../../scenarios/churn/shape';
import { type ChurnBlocks, STEADY_PAGES, type SteadyTask } from '../../scenarios/churn/tasks';
import type { OpenLoopResult } from '../../tasks';
import { Arrivals } from '../arrivals';
import { openPlainFile, type PlainFile } from '../plain-file';
import { settled } from '../settled';

const PAGE_WORDS = PAGE_BYTES / 4;
const RECORD_RANGE = { offset: 0, length: RECORD_BYTES };

interface Steady {
  operation(): void;
  /** What follows an operation and is not part of its latency. */
  after?(): void;
  close?(): void;
}

export type SteadyResult = OpenLoopResult & ChurnTruth;

export function churnSteady(task: SteadyTask): SteadyResult {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const truth: ChurnTruth = { checked: 0, lies: 0 };
  const steady = STEADY[task.role](task, file, truth);
  const blockOf = follow(task.blocks);
  try {
    file.prefetchSync(0, STEADY_PAGES);
    const arrivals = new Arrivals(task);
    while (arrivals.next()) {
      const arm = blockOf(arrivals.dueNs);
      steady.operation();
      const latencyNs = arrivals.ended();
      if (arm !== undefined) task.histograms[arm].record(latencyNs);
      steady.after?.();
    }
    return { ...arrivals.result(), ...truth };
  } finally {
    steady.close?.();
    file.closeSync();
    cache.detach();
  }
}

/** The arm that an operation due then belongs to; undefined while a block settles. */
function follow({ startNs, lengthNs, settleNs, arm }: ChurnBlocks): (dueNs: number) => number | undefined {
  let block = 0;
  return (dueNs) => {
    while (block + 1 < startNs.length && startNs[block + 1] <= dueNs) block++;
    const intoNs = dueNs - startNs[block];
    return intoNs < settleNs || intoNs > lengthNs ? undefined : arm[block];
  };
}

const STEADY: Record<SteadyRole, (task: SteadyTask, file: CachedFile, truth: ChurnTruth) => Steady> = {
  view({ seed }, file) {
    const random = createRandom(seed);
    const sequence = (bytes: Uint8Array): number => bytes[8];
    return {
      operation() {
        file.viewSync(Math.floor(random() * STEADY_PAGES), sequence);
      },
    };
  },

  update({ seed, returned }, file) {
    const random = createRandom(seed);
    const record = new Int32Array(RECORD_WORDS);
    const replace = (bytes: Uint8Array): void => {
      new Int32Array(bytes.buffer, bytes.byteOffset, RECORD_WORDS).set(record);
    };
    return {
      operation() {
        const page = Math.floor(random() * STEADY_PAGES);
        const sequence = returned[page] + 1;
        fillRecord(record, 0, page, sequence);
        file.updateSync(page, replace, undefined, RECORD_RANGE);
        Atomics.store(returned, page, sequence);
      },
    };
  },

  fsync({ dataPath, returned }, file, truth) {
    const plain = openPlainFile(dataPath);
    const noted = new Int32Array(STEADY_PAGES);
    return {
      operation() {
        for (let page = 0; page < STEADY_PAGES; page++) noted[page] = Atomics.load(returned, page);
        file.fsyncSync();
      },
      after() {
        truth.checked++;
        if (!holds(plain, noted)) truth.lies++;
      },
      close: () => plain.close(),
    };
  },

  bare({ barePath }) {
    const fd = fs.openSync(barePath, 'r+');
    const bytes = new Uint8Array(PAGE_BYTES);
    let value = 0;
    return {
      operation() {
        bytes.fill(value++);
        fs.writeSync(fd, bytes, 0, PAGE_BYTES, 0);
        fs.fdatasyncSync(fd);
      },
      close: () => fs.closeSync(fd),
    };
  },
};

/** Whether the file has every record that had returned before the fsync. */
function holds(plain: PlainFile, noted: Int32Array): boolean {
  const words = new Int32Array(STEADY_PAGES * PAGE_WORDS);
  const bytes = new Uint8Array(words.buffer);
  plain.read(bytes, 0);
  let all = true;
  for (let page = 0; page < STEADY_PAGES; page++) {
    const start = page * PAGE_WORDS;
    const { judgement } = settled(
      words.subarray(start, start + RECORD_WORDS),
      () => judgeRecord(words, start, page, noted[page]),
      () => {
        plain.outwait();
        plain.read(bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), page);
      },
    );
    if (judgement !== 'kept') all = false;
  }
  return all;
}
