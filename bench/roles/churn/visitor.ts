// A worker that comes, uses the cache, and goes: by itself, or terminated in the middle of what it does. An entry of its own: `new Worker`
// of this file is what the scenario churn times.
import { parentPort, workerData } from 'node:worker_threads';
import { type CachedFile, PageCache } from 'pinfold';
import { fsyncSyncWith, fsyncWith } from '#harness';
import { isStopped, NS_PER_MS, nowNs, sleepUntil } from '../../clock';
import { PAGE_BYTES } from '../../files';
import { fillRecord, judgeRecord, RECORD_BYTES, RECORD_WORDS } from '../../record';
import {
  ARRIVED,
  STEADY_PAGES,
  storedPageOf,
  updatedPageOf,
  VISIT_CHECKED,
  VISIT_COMMITS,
  VISIT_LIES,
  type VisitorTask,
} from '../../scenarios/churn/tasks';
import { openPlainFile, type PlainFile } from '../plain-file';

const RECORD_RANGE = { offset: 0, length: RECORD_BYTES };
/** A round of a bystander, ns: about what an fsync takes. */
const PAUSE_NS = NS_PER_MS / 2;

async function visit(task: VisitorTask): Promise<void> {
  if (task.handle === null) {
    parentPort?.postMessage(ARRIVED);
    for (let n = 0; n < task.rounds && sleepUntil(task.stop, nowNs() + PAUSE_NS); n++);
    return;
  }
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  file.viewSync(task.slot % STEADY_PAGES, (bytes) => bytes[0]);
  task.firstHit.record(Math.max(1, Math.round(nowNs() - task.bornNs)));
  parentPort?.postMessage(ARRIVED);
  const plain = openPlainFile(task.dataPath);
  try {
    const visitor = new Visitor(task, file, plain);
    for (let n = 0; n < task.rounds && !isStopped(task.stop); n++) await visitor.round(n);
  } finally {
    plain.close();
    file.closeSync();
    cache.detach();
  }
}

class Visitor {
  readonly #task: VisitorTask;
  readonly #file: CachedFile;
  readonly #plain: PlainFile;
  readonly #record = new Int32Array(RECORD_WORDS);
  readonly #found = new Int32Array(PAGE_BYTES / 4);
  readonly #foundBytes = new Uint8Array(this.#found.buffer);

  constructor(task: VisitorTask, file: CachedFile, plain: PlainFile) {
    this.#task = task;
    this.#file = file;
    this.#plain = plain;
  }

  /** An update, stores through a pin, and an fsync of both; after it, a look at the file itself. */
  async round(n: number): Promise<void> {
    const { slot, policy, visits, promised } = this.#task;
    const sequence = this.#task.firstSequence + n;
    const [updated, stored] = [updatedPageOf(slot), storedPageOf(slot, n)];
    this.#update(updated, sequence);
    // Whoever is terminated amid the stores leaves half of them: nothing is promised of this page until the next fsync.
    Atomics.store(promised, stored, 0);
    const pin = this.#file.pinSync(stored, 'write');
    fillRecord(new Int32Array(pin.bytes.buffer, pin.bytes.byteOffset, RECORD_WORDS), 0, stored, sequence);
    if (policy === 'skip') {
      fsyncSyncWith(this.#file, { policy });
      pin.unpin();
    } else {
      pin.unpin();
      if (n % 2 === 0) await fsyncWith(this.#file, { policy });
      else fsyncSyncWith(this.#file, { policy });
    }
    Atomics.store(promised, updated, sequence);
    Atomics.store(promised, stored, sequence);
    Atomics.add(visits, VISIT_COMMITS, 1);
    const kept = [updated, stored].every((page) => this.#holds(page, sequence));
    Atomics.add(visits, VISIT_CHECKED, 1);
    if (!kept) Atomics.add(visits, VISIT_LIES, 1);
  }

  #update(page: number, sequence: number): void {
    fillRecord(this.#record, 0, page, sequence);
    const replace = (bytes: Uint8Array): void => {
      new Int32Array(bytes.buffer, bytes.byteOffset, RECORD_WORDS).set(this.#record);
    };
    this.#file.updateSync(page, replace, undefined, RECORD_RANGE);
  }

  /** Nobody else writes to this page, and this thread does not now: what is in the file stays so while it is read. */
  #holds(page: number, sequence: number): boolean {
    this.#plain.read(this.#foundBytes, page);
    return judgeRecord(this.#found, 0, page, sequence) === 'kept';
  }
}

await visit(workerData as VisitorTask);
