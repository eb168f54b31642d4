// Calls by message: of a thread by its process, of a process by the bench.
import type { Reply, Request } from './messages';

/** A thread's first message, which answers no call. */
export const READY = 0;

/** The calls of one side that have not been answered. */
export class Calls {
  readonly #send: (request: Request) => void;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #next = READY + 1;
  #broken: Error | undefined;

  constructor(send: (request: Request) => void) {
    this.#send = send;
  }

  /** Sends a call. */
  call(name: string, params: unknown): Promise<unknown> {
    const id = this.#next++;
    const answered = this.expect(id);
    if (this.#broken === undefined) this.#send({ id, name, params });
    return answered;
  }

  expect(id: number): Promise<unknown> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('error' in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.result);
  }

  /** The other side has ended: nothing is answered any more. */
  break(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Answers a call by what `work` makes of its parameters. */
export async function answer(
  { id, params }: Request,
  work: (params: unknown) => Promise<unknown>,
  send: (reply: Reply) => void,
): Promise<void> {
  try {
    send({ id, result: await work(params) });
  } catch (error) {
    send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
