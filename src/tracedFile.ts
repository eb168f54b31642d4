// A file whose pins are noted with the stack that took them. A class of its own, so that files that are not traced have
// nothing to look at on their way to a page.
import { CachedFile, type FileContext } from './file';
import type { FileId } from './kernel/kernel';
import type { OpenOptions, WaitOptions } from './options';
import type { Page, PinMode } from './page';
import { stackBelow, type Traces } from './traces';

export class TracedFile extends CachedFile {
  readonly #traces: Traces;

  constructor(
    context: FileContext & { readonly traces: Traces },
    id: FileId,
    path: string,
    options: Required<OpenOptions>,
  ) {
    super(context, id, path, options);
    this.#traces = context.traces;
  }

  override pinSync<M extends PinMode>(index: number, mode?: M): Page<M> {
    return this.#noted(super.pinSync(index, mode) as Page<M>, stackBelow(this.pinSync));
  }

  override async pin<M extends PinMode>(index: number, mode?: M, options?: WaitOptions): Promise<Page<M>> {
    const stack = stackBelow(this.pin); // as long as the caller is on it
    return this.#noted((await super.pin(index, mode, options)) as Page<M>, stack);
  }

  override tryPin<M extends PinMode>(index: number, mode?: M): Page<M> | undefined {
    const page = super.tryPin(index, mode) as Page<M> | undefined;
    return page && this.#noted(page, stackBelow(this.tryPin));
  }

  #noted<M extends PinMode>(page: Page<M>, stack: string): Page<M> {
    this.#traces.note(page.slot, stack);
    return page;
  }
}
