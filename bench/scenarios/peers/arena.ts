// Where the arms meet: their stores, and their processes.
import fs from 'node:fs';
import { isStopped } from '../../clock';
import { createRandom } from '../../random';
import { ARMS, type Arm, PACKAGE_OF, type StoreName } from '../../roles/peers/arms';
import { versionOf, whyMissing } from '../../roles/peers/installed';
import type { OpenParams } from '../../roles/peers/messages';
import { laidOutPages, PAGE } from '../../roles/peers/pages';
import { sqliteName } from '../../roles/peers/stores/sqlite';
import type { Run } from '../../run';
import { GRACE_MS, type Plan } from './plan';
import { PeerProcess } from './process';
import type { PeersResult } from './shape';

/** Stores of as many pages, and where an arm finds its own. */
export interface Stores {
  pages: number;
  path(arm: Pick<Arm, 'id' | 'store'>): string;
}

/** Stores that are no plain file of pages, but made by the library whose they are. */
export const isDatabase = (store: StoreName): boolean => store === 'lmdb' || store === 'sqlite';

export class Arena {
  readonly run: Run;
  readonly plan: Plan;
  readonly result: PeersResult;
  readonly random: () => number;
  #arms: readonly Arm[];

  constructor(run: Run, plan: Plan, result: PeersResult) {
    this.run = run;
    this.plan = plan;
    this.result = result;
    this.random = createRandom(run.options.seed + 1);
    this.#arms = ARMS.filter(({ store }) => isThere(store));
  }

  /** Those that take part. */
  get arms(): readonly Arm[] {
    return this.#arms;
  }

  get seed(): number {
    return this.run.options.seed;
  }

  get stopped(): boolean {
    return isStopped(this.run.stop);
  }

  say(step: string): void {
    this.run.progress.begin(`peers · ${step}`);
  }

  /** Makes stores that arms of a kind share. A library that can't do so takes no part any more. */
  async layOut(name: string, pages: number): Promise<Stores> {
    const base = `${this.run.files.directory}/${name}`;
    const path: Stores['path'] = ({ store }) => `${base}.${isDatabase(store) ? store : 'bin'}`;
    this.say(`laying out ${(pages * PAGE) / 2 ** 20} MiB`);
    writePlain(`${base}.bin`, pages);
    for (const store of ['lmdb', 'sqlite', 'mmap'] as const) {
      if (!this.#arms.some((arm) => arm.store === store)) continue;
      try {
        await this.layOutOne(store, path({ id: store, store }), pages);
      } catch (error) {
        if (this.stopped) throw error;
        this.#leaveOut(store, error as Error);
      }
    }
    return { pages, path };
  }

  /** Makes one store, if it is no plain file, and looks whether a thread can read it. */
  async layOutOne(store: StoreName, path: string, pages: number): Promise<void> {
    if (isDatabase(store)) {
      const made: OpenParams = { store: 'none', mode: 'sync', path, pages };
      await this.withProcess(`laying out ${store}`, made, 1, (maker) =>
        maker.play('layOut', [{ store }], GRACE_MS),
      );
    }
    await this.withProcess(`trying ${store}`, { store, mode: 'sync', path, pages }, 1, (tried) =>
      tried.play('check', [{ whole: true, seed: this.seed }], GRACE_MS),
    );
  }

  #leaveOut(store: StoreName, { message }: Error): void {
    const library = this.result.libraries.find(({ name }) => name === PACKAGE_OF[store]);
    if (library !== undefined) library.missing = `does not work here: ${message.split('\n')[0]}`;
    this.#arms = this.#arms.filter((arm) => arm.store !== store);
  }

  /** Runs `work` with a process that has the store open in `threads` threads. */
  async withProcess<T>(
    name: string,
    params: OpenParams,
    threads: number,
    work: (process: PeerProcess) => Promise<T>,
  ): Promise<T> {
    const process = await PeerProcess.open(name, { ...params, threads }, this.run, GRACE_MS);
    try {
      const worked = await work(process);
      await process.close();
      return worked;
    } catch (error) {
      process.kill();
      throw error;
    }
  }

  /** Runs `work` with a process for each of `arms`, all there at once. */
  async withProcesses<T>(
    arms: readonly Arm[],
    { pages, path }: Stores,
    threads: number,
    work: (processOf: (arm: Arm) => PeerProcess) => Promise<T>,
  ): Promise<T> {
    const processes = new Map<Arm, PeerProcess>();
    const open = async (arm: Arm): Promise<void> => {
      const { id, name, store, mode } = arm;
      const params = { store, mode, path: path(arm), pages, threads };
      processes.set(arm, await PeerProcess.open(`${name} (${id})`, params, this.run, GRACE_MS));
    };
    try {
      const opened = await Promise.allSettled(arms.map(open));
      for (const outcome of opened) if (outcome.status === 'rejected') throw outcome.reason;
      const worked = await work((arm) => processes.get(arm)!);
      await Promise.all([...processes.values()].map((each) => each.close()));
      return worked;
    } catch (error) {
      for (const each of processes.values()) each.kill();
      throw error;
    }
  }
}

function isThere(store: StoreName): boolean {
  if (store === 'sqlite') return sqliteName(versionOf) !== null;
  const name = PACKAGE_OF[store];
  return name === undefined || whyMissing(name) === null;
}

/** A file of pages, all of them real blocks: nobody pays for allocation later. */
export function writePlain(path: string, pages: number): void {
  const fd = fs.openSync(path, 'w');
  try {
    for (const { page, bytes } of laidOutPages(pages)) fs.writeSync(fd, bytes, 0, PAGE, page * PAGE);
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
