import type { FileId, Kernel } from './kernel';

/**
 * What one thread needs files for: handles, calls under way. The cache counts one reference for each thread and file, with
 * a bit in the thread's row, so that a dead thread's can be dropped; how many are behind it is known here.
 */
export class References {
  readonly #kernel: Kernel;
  readonly #counts = new Map<FileId, number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Keeps the file open: false if it is closed, or just being closed. */
  retain(file: FileId): boolean {
    const count = this.#counts.get(file) ?? 0;
    if (count === 0 && this.#kernel.control.fileRetain(file) !== 1) return false;
    this.#counts.set(file, count + 1);
    return true;
  }

  /** Counts a reference that came with the answer to an open. */
  received(file: FileId): void {
    this.#counts.set(file, (this.#counts.get(file) ?? 0) + 1);
  }

  /** Drops one: true if nobody in the cache needs the file any more. */
  release(file: FileId): boolean {
    const count = this.#counts.get(file)!;
    if (count > 1) {
      this.#counts.set(file, count - 1);
      return false;
    }
    this.#counts.delete(file);
    return this.#kernel.control.fileRelease(file, this.#kernel.owner) === 0;
  }
}
