// Page bytes for the explorer: the same memory as all, copied word by word, so that copies may tear.
import type { Geometry } from '../../../../src/kernel/geometry';
import type { FrameId } from '../../../../src/kernel/kernel';

export class WordBytes {
  readonly views: Uint8Array[];
  readonly staging: Uint8Array[];
  readonly #pageSize: number;

  /** `at`: the byte of the memory at which the pages begin. */
  constructor(geometry: Geometry, at: number) {
    const { pageSize, frames, stagingAreas, stagingPages, stagingAt } = geometry;
    const { buffer } = machine.words;
    const area = stagingPages * pageSize;
    this.#pageSize = pageSize;
    this.views = [];
    for (let n = 0; n < frames; n++) this.views.push(new Uint8Array(buffer, at + n * pageSize, pageSize));
    this.staging = [];
    for (let n = 0; n < stagingAreas; n++) {
      this.staging.push(new Uint8Array(buffer, at + stagingAt + n * area, area));
    }
  }

  of(frame: FrameId): Uint8Array {
    return this.views[frame]!;
  }

  part(frame: FrameId, range: number): Uint8Array {
    return this.views[frame]!.subarray(range >>> 16, (range >>> 16) + (range & 0xffff) + 1);
  }

  stage(frame: FrameId, area: number, slot: number, offset: number, length: number): void {
    copyWords(this.views[frame]!, offset, this.staging[area]!, slot * this.#pageSize + offset, length);
  }

  unstage(area: number, slot: number, frame: FrameId, length: number): void {
    copyWords(this.staging[area]!, slot * this.#pageSize, this.views[frame]!, 0, length);
  }

  copyRange(from: FrameId, to: FrameId, offset: number, length: number): void {
    copyWords(this.views[from]!, offset, this.views[to]!, offset, length);
  }

  zero(frame: FrameId, from: number): void {
    machine.mortal();
    const page = this.views[frame]!;
    for (let n = from; n < page.length; n += 4) poke(page, n, 0);
  }
}

/** Bytes are copied by one instruction, in which no thread is ended; only what others do comes between. */
function copyWords(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  machine.mortal();
  machine.copy(from, start, to, at, length);
}

/** The word of `bytes` at an offset: of a page, or of a private copy of one. */
export function peek(bytes: Uint8Array, offset: number): number {
  if (bytes.buffer !== machine.words.buffer) return new DataView(bytes.buffer).getInt32(offset, true);
  return Atomics.load(machine.words, (bytes.byteOffset + offset) >> 2);
}

export function poke(bytes: Uint8Array, offset: number, value: number): void {
  Atomics.store(machine.words, (bytes.byteOffset + offset) >> 2, value);
}
