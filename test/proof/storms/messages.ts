// What a process that is to be killed tells its parent, through a pipe, with one write a message: what was written into the
// pipe is there however the writer ends, and what tells of an fsync that returned was written after it had.
import fs from 'node:fs';

/** Descriptor of the pipe in the child. */
export const PIPE = 3;

/**
 * ready: everybody is at work. synced: an fsync of a file has returned; before its call these were the numbers at its
 * places, this its size, and this the last number given. resizing: the size of a file is about to be this. pinned: so many
 * pages are write-pinned. wrong: what must not be was seen. opened: the files are as they should be, through the cache.
 */
const TYPES = ['ready', 'synced', 'resizing', 'pinned', 'wrong', 'opened'] as const;
export type MessageType = (typeof TYPES)[number];

export interface Message {
  readonly type: MessageType;
  readonly file: number;
  readonly size: number;
  readonly last: number;
  readonly numbers: Int32Array;
  readonly text: string;
}

const HEAD_BYTES = 24;
const MAGIC = 0x504e4644;

/** Sends a message, from any thread of the process: as one write, so that messages of several threads do not mix. */
export function send(
  type: MessageType,
  { file = 0, size = 0, last = 0, numbers = new Int32Array(0), text = '' }: Partial<Message> = {},
): void {
  const words = Buffer.from(text);
  const body = type === 'wrong' ? words : Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const bytes = Buffer.alloc(HEAD_BYTES + body.length);
  for (const [n, word] of [MAGIC, TYPES.indexOf(type), file, size, last, body.length].entries()) {
    bytes.writeInt32LE(word, n * 4);
  }
  body.copy(bytes, HEAD_BYTES);
  const sent = fs.writeSync(PIPE, bytes);
  if (sent !== bytes.length) throw new Error(`the pipe took ${sent} of ${bytes.length} bytes`);
}

/** The messages in what a pipe has brought, and how much of it they are: the writer may have been killed in the last. */
export function* received(bytes: Buffer): Generator<Message> {
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const [magic, type, file, size, last, length] = [0, 1, 2, 3, 4, 5].map((n) =>
      bytes.readInt32LE(at + n * 4),
    ) as [number, number, number, number, number, number];
    if (magic !== MAGIC) throw new Error('the pipe does not hold what was sent');
    const body = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    if (body.length < length) return;
    at += HEAD_BYTES + length;
    const name = TYPES[type]!;
    const numbers = new Int32Array(name === 'wrong' ? 0 : length >> 2);
    for (let n = 0; n < numbers.length; n++) numbers[n] = body.readInt32LE(n * 4);
    yield { type: name, file, size, last, numbers, text: name === 'wrong' ? body.toString() : '' };
  }
}
