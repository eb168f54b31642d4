// Threads' protocols run by a scheduler that decides after each effect who goes on: writers with pins, fsyncs, flushers,
// reclaim in a small pool, over a disk whose writes and flushes fail now and then and that forgets what a failed flush
// did not write. Whenever an fsync says yes, what had been written before it was called is on stable storage.
import { describe, expect, test } from 'vitest';
import type { FileId } from '../../src/kernel/kernel.ts';
import type { Protocol } from '../../src/protocol/effects.ts';
import { acquire } from '../../src/protocol/fill.ts';
import { flush } from '../../src/protocol/flush.ts';
import { fsyncRound } from '../../src/protocol/fsync.ts';
import { dirtyPages, writeBack } from '../../src/protocol/writeback.ts';
import { Disk, inPlace, Task } from './disk.ts';
import { Memory, type Thread } from './pool.ts';

const PAGE = 4096;
const STEPS = 6000;
const SEEDS = 12;

class Run {
  readonly memory: Memory;
  readonly disk = new Disk(PAGE);
  readonly file: FileId;
  readonly pages: number;
  /** By page and writer: the last write that has ended. */
  readonly ended = new Map<string, number>();
  readonly counts = { yes: 0, no: 0, writes: 0, failed: 0, bounced: 0 };
  #state: number;

  constructor(seed: number, pages: number, pinnedDirty: 'keep' | 'redirty') {
    this.#state = (seed * 2654435761) | 1;
    this.pages = pages;
    this.memory = new Memory({ memory: 256 * 1024, pinnedDirty, maxThreads: 8 });
    this.file = this.memory.file(pages * PAGE);
  }

  random(n: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % n;
  }

  /** What a writer does, for ever: pins a page, stores, holds on, drops. */
  *writer(thread: Thread, id: number): Protocol<void> {
    for (let n = 1; ; n++) {
      const page = this.random(this.pages);
      const slot = yield* this.#trying(acquire(thread, this.file, page, 'write'));
      if (slot === undefined) continue;
      const bytes = thread.bytes.of(thread.kernel.frameOfPin(slot));
      for (let k = this.random(4); k >= 0; k--) {
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(id * 4, n);
        yield* this.#pause();
      }
      thread.control.unpin(slot, 1);
      this.counts.writes++;
      this.ended.set(`${page}:${id}`, n);
    }
  }

  *syncer(thread: Thread): Protocol<void> {
    for (;;) {
      for (let k = this.random(6); k > 0; k--) yield* this.#pause();
      const before = [...this.ended];
      const [errno, , bounced] = yield* fsyncRound(thread, this.file);
      this.counts.bounced += bounced;
      if (errno !== 0) {
        this.counts.no++;
        continue;
      }
      this.counts.yes++;
      this.check(before);
    }
  }

  *flusher(thread: Thread): Protocol<void> {
    for (;;) {
      for (let k = this.random(4); k > 0; k--) yield* this.#pause();
      yield* writeBack(thread, this.file, dirtyPages(thread, this.file), 'skip', 1);
      if (this.random(3) === 0) yield* flush(thread, this.file);
    }
  }

  check(ended: Iterable<[string, number]>): void {
    for (const [key, n] of ended) {
      const [page, id] = key.split(':').map(Number) as [number, number];
      const bytes = this.disk.stable.get(page);
      const there = bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(id * 4) : 0;
      if (there < n)
        throw new Error(`page ${page}: write ${n} of writer ${id} had ended, stable is ${there}`);
    }
  }

  /** Somewhere to be interrupted. */
  *#pause(): Protocol<void> {
    yield { kind: 'wait', at: 0, seq: -1, timeoutMs: 0 };
  }

  *#trying<T>(protocol: Protocol<T>): Protocol<T | undefined> {
    try {
      return yield* inPlace(protocol);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_PINFOLD_IO') throw error;
      this.counts.failed++;
      return undefined;
    }
  }

  go(faults: boolean): void {
    const tasks = [0, 1, 2]
      .map((id) => {
        const thread = this.memory.thread();
        return new Task(thread, this.disk, this.writer(thread, id));
      })
      .concat(
        [0, 1].map(() => {
          const thread = this.memory.thread();
          return new Task(thread, this.disk, this.syncer(thread));
        }),
        [0, 1].map(() => {
          const thread = this.memory.thread();
          return new Task(thread, this.disk, this.flusher(thread));
        }),
      );
    // One of them often goes on for a while, and another is left standing for long.
    let favourite = 0;
    for (let n = 0; n < STEPS; n++) {
      if (faults && this.random(60) === 0) this.disk.failNextFlushes = 1 + this.random(2);
      if (faults && this.random(200) === 0) this.disk.failNextWrites = 1;
      if (this.random(15) === 0) favourite = this.random(tasks.length);
      const task = tasks[this.random(3) === 0 ? this.random(tasks.length) : favourite]!;
      if (!task.asleep || this.random(30) === 0) task.step();
    }
    this.disk.failNextFlushes = this.disk.failNextWrites = 0;
    // The syncers' rounds end, whoever leads them; and say yes from now on.
    const [yes, no] = [this.counts.yes, this.counts.no];
    for (let n = 0; this.counts.yes < yes + 4; n++) {
      if (n > 100_000) throw new Error(`no fsync ends: ${tasks.map(({ effect }) => effect)}`);
      tasks[n % tasks.length]!.step();
    }
    // A round under way may still tell of an earlier failure: two callers, two rounds at most.
    if (faults) expect(this.counts.no - no).toBeLessThanOrEqual(4);
    else expect(this.counts.no).toBe(0);
  }
}

describe.each(['keep', 'redirty'] as const)('%s', (pinnedDirty) => {
  test.each([
    { pages: 12, faults: false },
    { pages: 12, faults: true },
    { pages: 140, faults: false },
    { pages: 140, faults: true },
  ])('$pages pages, faults: $faults', ({ pages, faults }) => {
    const first = Number(process.env.PINFOLD_SEED ?? 1);
    const total = { yes: 0, no: 0, writes: 0, failed: 0, bounced: 0 };
    for (let seed = first; seed < first + SEEDS; seed++) {
      const run = new Run(seed, pages, pinnedDirty);
      try {
        run.go(faults);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += run.counts[key];
    }
    expect(total.yes).toBeGreaterThan(SEEDS * 4);
    expect(total.writes).toBeGreaterThan(SEEDS * 100);
    expect(total.bounced).toBeGreaterThan(0);
    if (faults) expect(total.no).toBeGreaterThan(0);
  });
});
