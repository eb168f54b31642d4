// What the VFS keeps its files in: Pinfold, or plain `fs` to compare with. All calls are synchronous and throw what goes wrong.

export interface Storage {
  readonly name: string;
  open(path: string, mode: 'r' | 'r+', create: boolean): StoredFile;
  /** Removes a file that nobody has open any more. */
  remove(path: string): void;
}

/** Positions and sizes are in bytes. */
export interface StoredFile {
  readonly size: number;
  /** How many bytes there were: fewer than asked at the end of the file. */
  read(target: Uint8Array, position: number): number;
  write(source: Uint8Array, position: number): void;
  truncate(size: number): void;
  /** When it returns, all that was written is on stable storage, and so is the name of a file that was just made. */
  sync(): void;
  close(): void;
}
