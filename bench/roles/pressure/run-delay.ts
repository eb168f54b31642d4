import fs from 'node:fs';

/** How long this thread was ready to run and had no core, so far, in ns: what else the machine does is not the cache's. */
export class RunDelay {
  readonly #fd: number;
  readonly #text = Buffer.alloc(96);

  constructor() {
    this.#fd = RunDelay.#open();
  }

  static #open(): number {
    try {
      return fs.openSync('/proc/thread-self/schedstat', 'r');
    } catch {
      return -1; // a system without: nothing is taken off
    }
  }

  read(): number {
    if (this.#fd < 0) return 0;
    const length = fs.readSync(this.#fd, this.#text, 0, this.#text.length, 0);
    return Number(this.#text.toString('latin1', 0, length).split(' ')[1]);
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
  }
}
