// Workers that come and go, as the main thread makes, watches and ends them.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { PageCacheHandle } from 'pinfold';
import { isStopped, NS_PER_MS, nowNs, withDeadline } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { judgeRecord, RECORD_WORDS } from '../../record';
import { openPlainFile } from '../../roles/plain-file';
import { settled } from '../../roles/settled';
import type { Run } from '../../run';
import type { ChurnTruth } from './shape';
import {
  ARRIVED,
  CHURN_PAGES,
  SLOTS,
  storedPageOf,
  updatedPageOf,
  VISIT_WORDS,
  type VisitorTask,
} from './tasks';

/** Built beside main.js. */
const VISITOR_URL = new URL('./visitor.js', import.meta.url);
/** A slot has a new worker so often at the most, ms: starting them takes half of a core then. */
const EVERY_MS = 80;
/** Rounds that a worker makes before it goes by itself; one that is to be terminated has work enough to be in the middle of it. */
const ROUNDS = 30;
const ROUNDS_DOOMED = 1_000;
/** From when it has arrived, ms. */
const TERMINATE_MAX_MS = 8;
const VISIT_DEADLINE_MS = 15_000;
const SEQUENCES_A_WORKER = 1 << 10;

export class Workers {
  readonly #run: Run;
  readonly #handle: PageCacheHandle;
  readonly #dataPath: string;
  readonly #random: () => number;
  readonly #promised = new Int32Array(new SharedArrayBuffer(CHURN_PAGES * 4));
  readonly visits = new Int32Array(new SharedArrayBuffer(VISIT_WORDS * 4));
  readonly firstHit: RecordableHistogram = createHistogram();
  readonly left: ChurnTruth = { checked: 0, lies: 0 };
  started = 0;
  terminated = 0;
  #born = 0;

  constructor(run: Run, handle: PageCacheHandle, dataPath: string, random: () => number) {
    this.#run = run;
    this.#handle = handle;
    this.#dataPath = dataPath;
    this.#random = random;
  }

  /** Workers come and go until `endNs`; resolves once all have gone. */
  async churn(endNs: number): Promise<void> {
    await Promise.all(
      Array.from({ length: SLOTS }, (_, slot) => this.#keepComing(slot, endNs, this.#handle)),
    );
  }

  /** The same with workers that leave the cache alone. */
  async bystanders(endNs: number): Promise<void> {
    await Promise.all(Array.from({ length: SLOTS }, (_, slot) => this.#keepComing(slot, endNs, null)));
  }

  /** How long a worker that leaves the cache alone takes, from `new Worker` until it has gone, ms. */
  async timeBystander(): Promise<number> {
    const startNs = nowNs();
    await this.#visit({ ...this.#taskOf(0, null), rounds: ROUNDS }, false);
    return (nowNs() - startNs) / NS_PER_MS;
  }

  /** One worker whose fsync passes its pages over. Returns what it has seen itself. */
  async skip(): Promise<Int32Array> {
    const visits = new Int32Array(new SharedArrayBuffer(VISIT_WORDS * 4));
    await this.#visit({ ...this.#taskOf(0, this.#handle), policy: 'skip', visits }, false);
    return visits;
  }

  async #keepComing(slot: number, endNs: number, handle: PageCacheHandle | null): Promise<void> {
    // One at the least, also of a block that a slow machine comes to late.
    for (let n = 0; (n === 0 || nowNs() < endNs) && !isStopped(this.#run.stop); n++) {
      const nextNs = nowNs() + EVERY_MS * NS_PER_MS;
      // Every other one is terminated.
      const isDoomed = (n + slot) % 2 === 1;
      const rounds = isDoomed ? ROUNDS_DOOMED : ROUNDS;
      const exitCode = await this.#visit({ ...this.#taskOf(slot, handle), rounds }, isDoomed);
      if (handle !== null) {
        this.started++;
        if (exitCode !== 0) this.terminated++;
        this.#lookAt(slot);
      }
      await sleep(Math.max(0, (Math.min(nextNs, endNs) - nowNs()) / NS_PER_MS));
    }
  }

  #taskOf(slot: number, handle: PageCacheHandle | null): VisitorTask {
    this.#born++;
    return {
      handle,
      stop: this.#run.stop,
      dataPath: this.#dataPath,
      slot,
      bornNs: 0,
      firstHit: this.firstHit,
      rounds: ROUNDS,
      policy: 'bounce',
      firstSequence: this.#born * SEQUENCES_A_WORKER,
      visits: this.visits,
      promised: this.#promised,
    };
  }

  /** From `new Worker` until its exit event: only then nothing of it runs any more. Returns its exit code: 0 if it ended by itself. */
  async #visit(task: VisitorTask, isDoomed: boolean): Promise<number> {
    const worker = new Worker(VISITOR_URL, { workerData: { ...task, bornNs: nowNs() } });
    const gone = new Promise<number>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', resolve);
    });
    worker.once('message', (said) => {
      if (said !== ARRIVED || !isDoomed) return;
      setTimeout(() => void worker.terminate(), this.#random() * TERMINATE_MAX_MS);
    });
    try {
      return await withDeadline(gone, VISIT_DEADLINE_MS, 'a worker that comes and goes');
    } finally {
      await withDeadline(worker.terminate(), VISIT_DEADLINE_MS, 'ending a worker that comes and goes');
    }
  }

  /** Whether what fsync promised a worker that has gone is in the file itself. */
  #lookAt(slot: number): void {
    const plain = openPlainFile(this.#dataPath);
    const words = new Int32Array(PAGE_BYTES / 4);
    const bytes = new Uint8Array(words.buffer);
    try {
      for (const page of [updatedPageOf(slot), storedPageOf(slot, 0), storedPageOf(slot, 1)]) {
        const promised = Atomics.load(this.#promised, page);
        if (promised === 0) continue;
        plain.read(bytes, page);
        const { judgement } = settled(
          words.subarray(0, RECORD_WORDS),
          () => judgeRecord(words, 0, page, promised),
          () => {
            plain.outwait();
            plain.read(bytes, page);
          },
        );
        this.left.checked++;
        if (judgement !== 'kept') this.left.lies++;
      }
    } finally {
      plain.close();
    }
  }
}
