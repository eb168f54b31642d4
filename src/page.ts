import { pinfoldError } from './errors';
import type { PinSlot } from './kernel/kernel';
import * as L from './kernel/layout';
import type { Attachment } from './attachment';

/**
 * A pinned page: it stays in its frame until `unpin`. With a write pin its bytes may be stored into at any moment, by
 * this thread or by what works for it (an asynchronous read, a socket). Belongs to the thread that pinned it.
 */
export class Page {
  /** The page's index in its file. */
  readonly index: number;
  readonly mode: 'read' | 'write';
  #attachment: Attachment | undefined;
  readonly #slot: PinSlot;
  #bytes: Uint8Array | undefined;
  /** Writebacks of the page that had ended when a write pin was taken. */
  readonly #writebacks: number;

  /** @internal */
  constructor(attachment: Attachment, slot: PinSlot, index: number, mode: 'read' | 'write') {
    this.index = index;
    this.mode = mode;
    this.#attachment = attachment;
    this.#slot = slot;
    const frame = attachment.kernel.frameOfPin(slot);
    this.#bytes = attachment.bytes.of(frame);
    this.#writebacks = mode === 'write' ? attachment.kernel.frameWord(frame, L.FRAME_WRITEBACKS) : 0;
  }

  /**
   * The page's bytes in shared memory: `pageSize` of them, zero past the end of the file. Only a write pin may store.
   * Throws ERR_PINFOLD_UNPINNED after `unpin`. Keep no reference past it: the frame may hold another page then.
   */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw this.#unpinned('its bytes are out of reach');
    return this.#bytes;
  }

  /**
   * Drops the pin. A write pin leaves the page dirty, unless `dirty: false` promises that nothing was stored (which has
   * no effect where `pinnedDirty` is 'keep', or if the page was written back while the pin was held). Throws
   * ERR_PINFOLD_UNPINNED the second time.
   */
  unpin(options?: { dirty?: boolean }): void {
    const attachment = this.#attachment;
    if (attachment === undefined) throw this.#unpinned('it can be dropped once only');
    const dirty = this.mode === 'write' && (options?.dirty !== false || this.#writtenBack(attachment));
    this.#attachment = undefined;
    this.#bytes = undefined;
    attachment.kernel.control.unpin(this.#slot, dirty ? 1 : 0);
  }

  /** `using page = file.pinSync(i)`: dropped at the end of the block, if it was not before. */
  [Symbol.dispose](): void {
    if (this.#attachment !== undefined) this.unpin();
  }

  #writtenBack({ kernel }: Attachment): boolean {
    const frame = kernel.frameOfPin(this.#slot);
    return (
      (kernel.frameWord(frame, L.FRAME_STATE) & L.WRITEBACK) !== 0 ||
      kernel.frameWord(frame, L.FRAME_WRITEBACKS) !== this.#writebacks
    );
  }

  #unpinned(consequence: string): Error {
    return pinfoldError('ERR_PINFOLD_UNPINNED', `the pin on page ${this.index} was dropped: ${consequence}`);
  }
}
