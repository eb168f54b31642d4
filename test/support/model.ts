// A file as a plain array of bytes.

/** What a file holds, as one knows it who is told of each change. */
export class Model {
  size = 0;
  bytes = new Uint8Array(0);

  /** What is added are zeros. */
  resize(size: number): void {
    if (size > this.bytes.length) {
      const bytes = new Uint8Array(size * 2);
      bytes.set(this.bytes);
      this.bytes = bytes;
    }
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  store(position: number, bytes: ArrayLike<number>): void {
    this.resize(Math.max(this.size, position + bytes.length));
    this.bytes.set(bytes, position);
  }
}
