import type { FileId, Kernel } from './kernel';
import { OPEN_REQUEST } from './layout';

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

  /** Counts the reference that comes with the answer to an open: in the step that collects it. */
  collected({ kind }: { readonly kind: number }, [errno, id]: readonly [number, number, ...number[]]): void {
    if (kind !== OPEN_REQUEST || errno !== 0) return;
    const file = id as FileId;
    this.#counts.set(file, (this.#counts.get(file) ?? 0) + 1);
  }

  /** Drops one: true if nobody in the cache needs the file any more. */
  release(file: FileId): boolean {
    const count = this.#counts.get(file);
    if (count === undefined) throw new Error(`file ${file} is released more often than it was retained`);
    if (count > 1) {
      this.#counts.set(file, count - 1);
      return false;
    }
    this.#counts.delete(file);
    return this.#kernel.control.fileRelease(file, this.#kernel.owner) === 0;
  }
}
