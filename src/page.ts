import { pinfoldError } from './errors';
import type { Control, FrameId, Kernel, PinSlot } from './kernel/kernel';
import * as L from './kernel/layout';

/** Where a file's pages find their bytes, and what drops their pins. @internal */
export interface PageSource {
  readonly kernel: Kernel;
  readonly control: Pick<Control, 'unpin'>;
  readonly bytes: { of(frame: FrameId): Uint8Array };
}

/** What a pin is for: 'read' keeps the page in its frame; 'write' lets something store into it meanwhile. */
export type PinMode = 'read' | 'write';

/**
 * A pinned page: it stays in its frame until `unpin`. With a write pin its bytes may be stored into at any moment, by
 * this thread or by what works for it (an asynchronous read, a socket). Belongs to the thread that pinned it.
 */
export class Page<M extends PinMode = PinMode> {
  /** The page's index in its file. */
  readonly index: number;
  readonly mode: M;
  readonly #source: PageSource;
  /** −1 once the pin was dropped. */
  #slot: PinSlot | -1;
  /** Writebacks of the page that had ended when a write pin was taken. */
  readonly #writebacks: number;

  /** @internal */
  constructor(source: PageSource, slot: PinSlot, index: number, mode: M) {
    this.index = index;
    this.mode = mode;
    this.#source = source;
    this.#slot = slot;
    this.#writebacks = mode === 'write' ? writebacksOf(source.kernel, slot) : 0;
  }

  /**
   * The page's bytes in shared memory: the file's `pageSize` of them, zero past the end of the file. Only a write pin may store.
   * Throws ERR_PINFOLD_UNPINNED after `unpin`. Keep no reference past it: the frame may hold another page then.
   */
  get bytes(): Uint8Array {
    const slot = this.#slot;
    if (slot < 0) throw this.#unpinned('its bytes are out of reach');
    return this.#source.bytes.of(this.#source.kernel.frameOfPin(slot as PinSlot));
  }

  /**
   * Drops the pin. A write pin leaves the page dirty, unless `dirty: false` promises that nothing was stored (which has
   * no effect if the page was written back while the pin was held). Throws ERR_PINFOLD_UNPINNED the second time.
   */
  unpin(options?: { dirty?: boolean }): void {
    const slot = this.#slot as PinSlot;
    if (slot < 0) throw this.#unpinned('it can be dropped once only');
    const { kernel, control } = this.#source;
    const dirty =
      this.mode === 'write' && (options?.dirty !== false || writebacksOf(kernel, slot) !== this.#writebacks);
    this.#slot = -1;
    control.unpin(slot, dirty ? 1 : 0);
  }

  /** The slot of this thread's row that holds the pin. @internal */
  get slot(): PinSlot {
    return this.#slot as PinSlot;
  }

  /** `using page = file.pinSync(i)`: dropped at the end of the block, if it was not before. */
  [Symbol.dispose](): void {
    if (this.#slot >= 0) this.unpin();
  }

  #unpinned(consequence: string): Error {
    return pinfoldError('ERR_PINFOLD_UNPINNED', `the pin on page ${this.index} was dropped: ${consequence}`);
  }
}

/** Counts writebacks of the pinned page, one that runs now included: a number that differs if one began since. */
function writebacksOf(kernel: Kernel, slot: PinSlot): number {
  const frame = kernel.frameOfPin(slot);
  const running = (kernel.frameWord(frame, L.FRAME_STATE) & L.WRITEBACK) !== 0;
  return kernel.frameWord(frame, L.FRAME_WRITEBACKS) + (running ? 1 : 0);
}
