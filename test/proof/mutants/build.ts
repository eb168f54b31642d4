// The code under test with the changes of a mutant in it: as each kind of check needs it, built once, when first asked for.
import { readFileSync } from 'node:fs';
import { compileControl, QUICK } from '../../kernel/compile.ts';
import type { Engine } from '../../kernel/mortal.ts';
import { engineWith, kernelWith } from '../../kernel/mutants.ts';
import { root } from '../../support/root.ts';
import type { Replacements } from '../explorer/convert.ts';
import { type Code, load } from '../explorer/host.ts';
import { type Change, planted } from './mutant.ts';

const CONTROL = 'src/kernel/control/';

const cached = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};

/** The kernel with its assertions, for those whose changes are not in it. */
const wholeKernel = cached(() => compileControl([], QUICK));

export class Build {
  readonly changes: readonly Change[];
  /** In the control kernel, files named as `compileControl` does. */
  readonly #kernel: readonly Change[];
  readonly #protocols: readonly Change[];

  constructor(changes: readonly Change[]) {
    this.changes = changes;
    const inKernel = ({ file }: Change) => file.startsWith(CONTROL);
    this.#kernel = changes
      .filter(inKernel)
      .map((change) => ({ ...change, file: change.file.slice(CONTROL.length) }));
    this.#protocols = changes.filter((change) => !inKernel(change));
  }

  /** For the explorer: the kernel with its assertions, and quickly compiled. */
  readonly explored = cached(async (): Promise<Code> => {
    const wasm = this.#kernel.length === 0 ? await wholeKernel() : await compileControl(this.#kernel, QUICK);
    return load(root, { wasm, replaced: this.#replaced() });
  });

  /** For deaths at the kernel's points. */
  readonly mortal = cached(async (): Promise<{ engine: Engine; module: WebAssembly.Module }> => {
    const inSource = this.#protocols.map((change) => ({ ...change, file: change.file.slice('src/'.length) }));
    return { engine: await engineWith(inSource), module: await kernelWith(this.#kernel) };
  });

  /** As it is shipped. */
  readonly shipped = cached(() => compileControl(this.#kernel));

  get inKernel(): boolean {
    return this.#kernel.length > 0;
  }

  #replaced(): Replacements {
    const replaced: Record<string, { contents: string }> = {};
    for (const { file } of this.#protocols) {
      replaced[file] ??= { contents: planted(readFileSync(root + file, 'utf8'), file, this.#protocols) };
    }
    return replaced;
  }
}
