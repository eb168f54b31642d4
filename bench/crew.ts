// Worker threads that play the roles, by piscina.
import { Piscina } from 'piscina';
import { withDeadline } from './clock';
import type * as roles from './roles';

type Roles = typeof roles;
type RoleName = keyof Roles;
type TaskOf<R extends RoleName> = Parameters<Roles[R]>[0];
type ResultOf<R extends RoleName> = Awaited<ReturnType<Roles[R]>>;

/** Built beside main.js. */
const ROLES_URL = new URL('./roles.js', import.meta.url).href;
const CLOSE_DEADLINE_MS = 5_000;

export class Crew {
  readonly #pool: Piscina;

  /** `threads` roles can run at once. All threads start now and stay: one that came up during a cell would be measured. */
  constructor(threads: number) {
    this.#pool = new Piscina({
      filename: ROLES_URL,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      // The default parks a thread in Atomics.wait between tasks; roles need their event loop for libuv and waitAsync.
      atomics: 'disabled',
    });
    // A worker that dies rejects its task; without a listener the same error would end the process first.
    this.#pool.on('error', () => {});
  }

  /** Runs one role to its end. Rejects when it throws, or has not ended after `deadlineMs`. */
  play<R extends RoleName>(role: R, task: TaskOf<R>, deadlineMs: number): Promise<ResultOf<R>> {
    const played: Promise<ResultOf<R>> = this.#pool.run(task, { name: role });
    return withDeadline(played, deadlineMs, `role '${role}'`);
  }

  async close(): Promise<void> {
    await withDeadline(this.#pool.destroy(), CLOSE_DEADLINE_MS, 'ending the worker threads');
  }
}
