// Keeps a worker in each of its slots, and terminates them at whatever they are at.
import { Worker } from 'node:worker_threads';
import type { PageCacheHandle } from 'pinfold';
import { type Board, type BoardMemory, LANES, OPS, slotState } from './board.ts';
import { Control, HOLDINGS } from './control.ts';
import type { Devices, FileSpec } from './files.ts';
import { Random } from './random.ts';

/** How a worker ends that ends by itself. */
const ENDS = ['detach', 'return', 'exit', 'exit in an update', 'throw'] as const;

/** What can be broken on purpose, to see that it is noticed. */
export const PLANTS = [
  'half',
  'stale',
  'foreign',
  'fsync',
  'hang',
  'pin',
  'handle',
  'thread',
  'descriptor',
] as const;
export type Plant = (typeof PLANTS)[number];

/** What all workers get. */
interface StormData {
  readonly handle: PageCacheHandle;
  readonly board: BoardMemory;
  readonly files: readonly FileSpec[];
  readonly devices: Devices;
  /** Slots that pages are shared out among. */
  readonly slots: number;
  /** The store fails now and then. */
  readonly faults: boolean;
  readonly plant: Plant | undefined;
}

export interface WorkerData extends StormData {
  readonly slot: number;
  readonly worker: number;
  readonly seed: number;
  /** After so many steps it ends by itself. */
  readonly steps: number;
  readonly end: (typeof ENDS)[number];
}

export interface KeeperData extends StormData {
  readonly mine: readonly number[];
  readonly seed: number;
  /** Terminations, over all keepers, after which there are no more. */
  readonly quota: number;
}

export const PLANNED = 'the planned end of this worker';

/** When a worker is terminated. */
const LIFE_MS = 120;
const BOOT_MS = 60;
/** How long to wait for a worker to be at what it shall be terminated at. */
const AIM_MS = 30;
/** One worker in so many ends by itself, where others are terminated. */
const SELF_ENDING = 8;
const STEPS = 400;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const turn = () => new Promise((resolve) => setImmediate(resolve));

export interface KeeperHooks {
  /** A worker was started. */
  born?(worker: Worker): void;
  /** One was told to end just now. */
  killed?(): void;
  /** It has just ended. */
  died?(threadId: number): void;
}

export class Keeper {
  readonly #data: KeeperData;
  readonly #board: Board;
  readonly #control: Control;
  readonly #random: Random;
  readonly #hooks: KeeperHooks;

  constructor(data: KeeperData, board: Board, hooks: KeeperHooks = {}) {
    this.#data = data;
    this.#board = board;
    this.#control = new Control(data.handle);
    this.#random = new Random(data.seed);
    this.#hooks = hooks;
  }

  /** Until the storm stops and all workers have ended. */
  async run(): Promise<void> {
    await Promise.all(
      this.#data.mine.map(async (slot) => {
        while (!this.#board.stopped) await this.#live(slot);
      }),
    );
  }

  /** One worker, from its start to its end. */
  async #live(slot: number): Promise<void> {
    const { mine: _, quota, seed: __, ...shared } = this.#data;
    const board = this.#board;
    const random = this.#random;
    const number = board.nextWorker();
    const terminated = quota > 0 && !random.oneIn(SELF_ENDING);
    const workerData: WorkerData = {
      ...shared,
      slot,
      worker: number,
      seed: (this.#data.seed + number * 7919) | 1,
      steps: terminated ? Number.POSITIVE_INFINITY : 20 + random.below(STEPS),
      end: random.pick(ENDS),
    };
    board.clear(slot);
    board.setState(slot, slotState.booting, number);
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    this.#hooks.born?.(worker);
    const { threadId } = worker;
    worker.on('error', (error) => {
      if ((error as Error).message !== PLANNED) {
        board.violation(`worker ${number} ended with an error: ${(error as Error).stack}`);
      }
    });
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        if (board.state(slot) === slotState.dying) this.#hooks.died?.(threadId);
        board.setState(slot, slotState.empty);
        resolve();
      });
    });
    // The storm's end is heard here too, so that workers which are to be terminated are.
    if (terminated) await this.#terminate(worker, slot);
    await ended;
  }

  /** Chooses a moment and terminates the worker then, unless it has ended before. */
  async #terminate(worker: Worker, slot: number): Promise<void> {
    const board = this.#board;
    const random = this.#random;
    if (random.oneIn(12)) await pause(random.below(BOOT_MS));
    else {
      while (board.state(slot) === slotState.booting && !board.stopped) await pause(1);
      await pause(random.below(LIFE_MS));
      const how = random.below(6);
      if (how < 2) await this.#until(slot, this.#isAt(slot));
      else if (how < 5) await this.#until(slot, this.#holds(worker.threadId));
    }
    if (!board.moveState(slot, [slotState.booting, slotState.running], slotState.dying)) return;
    board.killed(slot);
    const ended = worker.terminate();
    this.#hooks.killed?.();
    await ended;
    if (board.kills >= this.#data.quota) board.stop();
  }

  /** Whether a lane is at something chosen, so that rare calls are hit as often as common ones. */
  #isAt(slot: number): () => boolean {
    const op = this.#random.pick(OPS);
    const lanes = Array.from({ length: LANES }, (_, lane) => lane);
    return () => lanes.some((lane) => this.#board.doing(slot, lane)?.op === op);
  }

  /** Whether the thread's row holds something chosen: so that what is held for moments only is left behind, too. */
  #holds(threadId: number): () => boolean {
    const what = this.#random.pick(HOLDINGS);
    return () => {
      const owner = this.#control.rowOf(threadId);
      return owner !== undefined && this.#control.holds(owner).has(what);
    };
  }

  /** Waits for the moment, but not for long: it may not come. */
  async #until(slot: number, isMoment: () => boolean): Promise<void> {
    const end = performance.now() + AIM_MS;
    while (performance.now() < end && this.#board.state(slot) === slotState.running && !isMoment())
      await turn();
  }
}
