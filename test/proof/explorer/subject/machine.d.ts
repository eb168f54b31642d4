// What the machine offers to code that runs on it: a parameter of the converted bundle.
declare const machine: {
  readonly STOP: unique symbol;
  /** Stops the running thread, as its steps do. */
  stop(): void;
  /** A place where the running thread may die. */
  mortal(): void;
  /** Runs all of it as one step. */
  atomically<T>(does: () => T): T;
  /** Copies bytes word by word. */
  copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void;
  /** For people who look at a replay. */
  say(what: string): void;
  /** Ends the search: what must hold does not. */
  violated(what: string): never;
  /** The whole memory: the kernel's, pages, the disk, notes. */
  readonly words: Int32Array;
};
