// Records: what updates and writes of the storm put into pages. Every word of a record follows from where it stands, who
// wrote it and its number, so half a record, or one of another page, is told from its words alone. And the bytes that
// devices store, which tell where they stand and to which block they belong.

/** Words of a record: number, writer, key (where it stands), checksum of these; the rest follows from the checksum. */
const HEAD = 4;
const STEP = 0x9e3779b1;

function mix(a: number, b: number): number {
  let h = Math.imul(a ^ (b + STEP), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

/** Never 0, so that a record is told from a page that was never written. */
export function keyOf(file: number, page: number, area: number): number {
  return mix(mix(file + 1, page + 1), area + 1) | 1;
}

const sumOf = (seq: number, writer: number, key: number) => mix(mix(mix(seq, writer), key), seq);

/** The bytes as words. They start on a word of their memory. */
function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/** Stores words `from` to `to` of a record: a whole one by default. */
export function fillRecord(
  bytes: Uint8Array,
  key: number,
  writer: number,
  seq: number,
  from = 0,
  to = bytes.length >> 2,
): void {
  const words = wordsOf(bytes);
  const sum = sumOf(seq, writer, key);
  const head = [seq, writer, key, sum];
  for (let k = from; k < to; k++) words[k] = k < HEAD ? head[k]! : sum + Math.imul(k, STEP);
}

/** The number of the record, 0 if none was ever written, −1 if it is no whole record of this place. */
export function inspectRecord(bytes: Uint8Array, key: number): number {
  const words = wordsOf(bytes);
  const n = words.length;
  const seq = words[0]!;
  const sum = words[3]!;
  if (seq === 0) {
    for (let k = 1; k < n; k++) if (words[k] !== 0) return -1;
    return 0;
  }
  if (seq < 0 || words[2] !== key || sum !== (sumOf(seq, words[1]!, key) | 0)) return -1;
  for (let k = HEAD; k < n; k++) if (words[k] !== ((sum + Math.imul(k, STEP)) | 0)) return -1;
  return seq;
}

/** Whether it is a record that a truncate may have cut: its words up to some place, zeros from there on. */
export function isCutRecord(bytes: Uint8Array, key: number): boolean {
  const words = wordsOf(bytes);
  let end = words.length;
  while (end > 0 && words[end - 1] === 0) end--;
  if (end > 2 && words[2] !== key) return false;
  if (end <= HEAD - 1) return true; // too little left of it to tell
  const sum = words[3]!;
  if (sum !== (sumOf(words[0]!, words[1]!, key) | 0)) return false;
  for (let k = HEAD; k < end; k++) if (words[k] !== ((sum + Math.imul(k, STEP)) | 0)) return false;
  return true;
}

/** What is there instead of a record, for people. */
export function describeRecord(bytes: Uint8Array, key: number): string {
  const words = wordsOf(bytes);
  const [seq, writer, there, sum] = words as unknown as [number, number, number, number];
  const whole = sumOf(seq, writer, key) | 0;
  let first = HEAD;
  while (first < words.length && words[first] === ((whole + Math.imul(first, STEP)) | 0)) first++;
  let zero = 0;
  for (const word of words) if (word === 0) zero++;
  return (
    `record ${seq} by worker ${writer}${there === key ? '' : ', of another place'}` +
    `${sum === whole ? '' : ', wrong sum'}, right up to word ${first} of ${words.length}, ${zero} words are zero`
  );
}

// -- What devices store ----------------------------------------------------------------------------------------------

/** Blocks that tell each other apart. */
export const BLOCKS = 15;

/** Byte `at` of block `block`: the high half tells the place, the low half the block. Never 0. */
const deviceByte = (block: number, at: number) => ((at & 15) << 4) | (1 + (block % BLOCKS));

export function deviceBlock(block: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => deviceByte(block, at));
}

/** Whether each byte is a device's for its place, or was never stored. Several blocks may mix: a pin may be live. */
export function isDevices(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte !== 0 && (byte >>> 4 !== (at & 15) || (byte & 15) === 0)) return false;
  }
  return true;
}

/** The block that all bytes are of; −1 if they were never stored, −2 if they are not of one block. */
export function blockOf(bytes: Uint8Array): number {
  const block = (bytes[0]! & 15) - 1;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== (block < 0 ? 0 : deviceByte(block, at))) return -2;
  }
  return block;
}
