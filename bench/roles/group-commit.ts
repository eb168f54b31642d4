// A thread of committers. Each caller is a closed loop on a page of its own: write it, await fsync, again.
import fs from 'node:fs';
import { type CachedFile, type Page, PageCache } from 'pinfold';
import { fsyncWith } from '#harness';
import { meet } from '../barrier';
import { isStopped, nowNs, sleepUntil } from '../clock';
import { PAGE_BYTES } from '../files';
import { fillRecord, judgeRecord, RECORD_WORDS } from '../record';
import {
  CALLERS_MAX,
  type CommitArm,
  type CommitterResult,
  type CommitterTask,
} from '../scenarios/group-commit/tasks';
import { warmsUp } from '../windows';
import { openPlainFile, type PlainFile } from './plain-file';

/** One commit in so many is looked for in the file as soon as it has returned; each caller's last one of a window always is. */
const CHECK_EVERY = 8;
/** Sequences of a window are above those of all windows before, so that nothing older passes for them. */
const SEQUENCES_A_WINDOW = 1 << 16;

export async function groupCommitter(task: CommitterTask): Promise<CommitterResult> {
  const cache = PageCache.attach(task.handle);
  const file = cache.openSync(task.dataPath, { mode: 'r+' });
  const plain = openPlainFile(task.dataPath);
  const bare = fs.openSync(task.barePath, 'r+');
  try {
    return await new Committers(task, cache, file, plain, bare).run();
  } finally {
    fs.closeSync(bare);
    plain.close();
    file.closeSync();
    cache.detach();
  }
}

class Committers {
  readonly #task: CommitterTask;
  readonly #cache: PageCache;
  readonly #file: CachedFile;
  readonly #plain: PlainFile;
  readonly #bare: number;
  readonly #written = new Int32Array(PAGE_BYTES / 4);
  readonly #writtenBytes = new Uint8Array(this.#written.buffer);
  readonly #found = new Int32Array(PAGE_BYTES / 4);
  readonly #foundBytes = new Uint8Array(this.#found.buffer);
  readonly #result: CommitterResult;
  #beginNs = 0;

  constructor(task: CommitterTask, cache: PageCache, file: CachedFile, plain: PlainFile, bare: number) {
    this.#task = task;
    this.#cache = cache;
    this.#file = file;
    this.#plain = plain;
    this.#bare = bare;
    const none = () => task.arms.map(() => 0);
    this.#result = { inTime: [], commits: [], flushes: [], checked: none(), lies: none() };
  }

  async run(): Promise<CommitterResult> {
    const { windows, arms, thread, stop, barrier } = this.#task;
    const beginNs = meet(barrier, stop);
    if (beginNs === undefined) return this.#result;
    this.#beginNs = beginNs;
    for (const [n, startNs] of windows.startNs.entries()) {
      const arm = arms[windows.arm[n]];
      this.#result.inTime[n] = 0;
      this.#result.commits[n] = 0;
      this.#result.flushes[n] = 0;
      if (thread >= arm.threads) continue;
      if (!sleepUntil(stop, beginNs + startNs)) break;
      const flushesBefore = this.#cache.stats().flushes;
      if (arm.kind === 'bare') this.#commitBare(n);
      else await this.#commitTogether(n, arm);
      this.#result.flushes[n] = this.#cache.stats().flushes - flushesBefore;
    }
    // The last window of a run that was stopped is no figure.
    const played = isStopped(stop) ? this.#result.inTime.length - 1 : windows.startNs.length;
    const cut = (figures: number[]) => figures.slice(0, Math.max(0, played));
    const { inTime, commits, flushes } = this.#result;
    return { ...this.#result, inTime: cut(inTime), commits: cut(commits), flushes: cut(flushes) };
  }

  async #commitTogether(n: number, { kind, threads, callers }: CommitArm): Promise<void> {
    const firstPage = this.#task.thread * CALLERS_MAX;
    const pages = Array.from({ length: callers / threads }, (_, caller) => firstPage + caller);
    const pins = kind === 'skip' ? pages.map((page) => this.#file.pinSync(page, 'write')) : [];
    try {
      await Promise.all(pages.map((page) => this.#commits(n, kind, page)));
    } finally {
      for (const pin of pins as Page[]) pin.unpin({ dirty: false });
    }
  }

  async #commits(n: number, kind: CommitArm['kind'], page: number): Promise<void> {
    const { windows, stop } = this.#task;
    const endNs = this.#beginNs + windows.startNs[n] + windows.lengthNs;
    const sync = kind === 'skip' ? () => fsyncWith(this.#file, { policy: 'skip' }) : () => this.#file.fsync();
    for (let sequence = (n + 1) * SEQUENCES_A_WINDOW; ; sequence++) {
      fillRecord(this.#written, 0, page, sequence);
      const startNs = nowNs();
      this.#file.writeSync(this.#writtenBytes, page * PAGE_BYTES);
      await sync();
      const inTime = this.#count(n, startNs, endNs);
      if (!inTime || sequence % CHECK_EVERY === 0) this.#check(n, page, sequence);
      if (!inTime || isStopped(stop)) return;
    }
  }

  #commitBare(n: number): void {
    const { windows, stop } = this.#task;
    const endNs = this.#beginNs + windows.startNs[n] + windows.lengthNs;
    for (let sequence = 0; !isStopped(stop); sequence++) {
      fillRecord(this.#written, 0, 0, sequence);
      const startNs = nowNs();
      fs.writeSync(this.#bare, this.#writtenBytes, 0, PAGE_BYTES, 0);
      fs.fdatasyncSync(this.#bare);
      if (!this.#count(n, startNs, endNs)) return;
    }
  }

  /** A commit that ends now; whether it did so within its window. */
  #count(n: number, startNs: number, windowEndNs: number): boolean {
    const endNs = nowNs();
    this.#result.commits[n]++;
    const { windows, histograms } = this.#task;
    // Also of one that the window's end overtook: without those no latency could be longer than a window.
    if (!warmsUp(windows, n)) histograms[windows.arm[n]].record(Math.max(1, Math.round(endNs - startNs)));
    if (endNs > windowEndNs) return false;
    this.#result.inTime[n]++;
    return true;
  }

  /** Whether the file itself has what fsync has just promised. Nobody else writes this page. */
  #check(n: number, page: number, sequence: number): void {
    const arm = this.#task.windows.arm[n];
    this.#plain.read(this.#foundBytes, page);
    this.#result.checked[arm]++;
    if (judgeRecord(this.#found.subarray(0, RECORD_WORDS), 0, page, sequence) !== 'kept')
      this.#result.lies[arm]++;
  }
}
