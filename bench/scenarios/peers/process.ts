// The processes of the arms, as the bench sees them.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isStopped, withDeadline } from '../../clock';
import { Calls } from '../../roles/peers/calls';
import type { OpenParams, ProcessCalls, ThreadTasks } from '../../roles/peers/messages';
import type { Run } from '../../run';

/** Built beside main.js. */
const PROCESS = fileURLToPath(new URL('./peer-process.js', import.meta.url));
const CLOSE_MS = 15_000;
const STOP_LOOK_MS = 50;
/** Of what a process says of its end. */
const STDERR_BYTES_MAX = 4_000;

export class PeerProcess {
  readonly #name: string;
  readonly #run: Run;
  readonly #child: ChildProcess;
  readonly #calls: Calls;
  readonly #looks: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  #stderr = '';

  private constructor(name: string, run: Run) {
    this.#name = name;
    this.#run = run;
    this.#child = fork(PROCESS, {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#calls = new Calls((request) => this.#child.send(request, () => {}));
    this.#child.on('message', (reply) => this.#calls.settle(reply as never));
    this.#child.on('error', (error) => this.#calls.break(error));
    this.#child.stderr?.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES_MAX);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => {
        const said = this.#stderr.trim();
        this.#calls.break(
          new Error(`the process of ${name} ended with ${signal ?? `code ${code}`}${said && `: ${said}`}`),
        );
        clearInterval(this.#looks);
        resolve();
      });
    });
    this.#looks = setInterval(() => {
      if (isStopped(run.stop)) this.kill();
    }, STOP_LOOK_MS);
  }

  /** Starts a process with `threads` threads that have the store open. It ends at once when the stop word is raised. */
  static async open(
    name: string,
    params: OpenParams & { threads: number },
    run: Run,
    deadlineMs: number,
  ): Promise<PeerProcess> {
    const opened = new PeerProcess(name, run);
    try {
      await opened.call('open', params, deadlineMs);
    } catch (error) {
      opened.kill();
      throw error;
    }
    return opened;
  }

  call<C extends keyof ProcessCalls>(
    call: C,
    params: Parameters<ProcessCalls[C]>[0],
    deadlineMs: number,
  ): ReturnType<ProcessCalls[C]> {
    const answered = this.#calls.call(call, params);
    return withDeadline(answered, deadlineMs, `${this.#name}: '${call}'`) as ReturnType<ProcessCalls[C]>;
  }

  /** Has the first threads do a task, each with its own parameters. */
  async play<T extends keyof ThreadTasks>(
    task: T,
    each: Parameters<ThreadTasks[T]>[0][],
    deadlineMs: number,
  ): Promise<Awaited<ReturnType<ThreadTasks[T]>>[]> {
    return (await this.call('play', { task, each }, deadlineMs)) as Awaited<ReturnType<ThreadTasks[T]>>[];
  }

  async close(): Promise<void> {
    try {
      const { user, system } = await this.call('close', null, CLOSE_MS);
      this.#run.childrenCpu.user += user;
      this.#run.childrenCpu.system += system;
    } finally {
      this.kill();
      await this.#ended;
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
