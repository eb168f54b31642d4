// CRC-32C as shipped, against published vectors and a reference that does a bit at a time; the trailer of a page.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Random } from '../storm/random.ts';

interface Bytes {
  crc32c(at: number, length: number, before: number): number;
  seal(page: number, pageSize: number, index: number, used: number): void;
  check(page: number, pageSize: number, index: number): number;
}

const module = new WebAssembly.Module(
  readFileSync(fileURLToPath(new URL('../../build/kernel/bytes.wasm', import.meta.url))),
);
const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
const bytes = new Uint8Array(memory.buffer);
const instance = () => new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Bytes;
const { crc32c, seal, check } = instance();

function crcOf(of: Uint8Array, at = 0, before = 0): number {
  bytes.set(of, at);
  return crc32c(at, of.length, before) >>> 0;
}

/** By definition: a bit at a time. */
function reference(of: Uint8Array, before = 0): number {
  let register = ~before;
  for (const byte of of) {
    register ^= byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
  }
  return ~register >>> 0;
}

const counting = Uint8Array.from({ length: 32 }, (_, n) => n);

test.each([
  ['nothing', new Uint8Array(0), 0],
  ['the digits 1 to 9', Buffer.from('123456789'), 0xe3069283],
  // RFC 3720, B.4, whose bytes stand in the order of the wire.
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes that count up', counting, 0x46dd794e],
  ['32 bytes that count down', counting.toReversed(), 0x113fdb5c],
  [
    'an iSCSI SCSI Read (10) command PDU',
    Buffer.from(
      '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
      'hex',
    ),
    0xd9963a56,
  ],
])('the published vector: %s', (_name, of, crc) => {
  expect(crcOf(of)).toBe(crc);
  expect(reference(of)).toBe(crc);
});

test('is the reference for any length, alignment and seed', () => {
  const random = new Random(1);
  for (let length = 0; length < 400; length++) {
    const of = Uint8Array.from({ length }, () => random.below(256));
    const seed = random.below(2 ** 32);
    expect(crcOf(of, random.below(64), seed | 0)).toBe(reference(of, seed));
  }
  const page = Uint8Array.from({ length: 65_536 }, () => random.below(256));
  expect(crcOf(page)).toBe(reference(page));
});

test('goes on where it stopped', () => {
  const of = Uint8Array.from({ length: 1000 }, (_, n) => (n * n) % 251);
  for (const cut of [0, 1, 63, 64, 65, 500, 1000]) {
    expect(crcOf(of.subarray(cut), 0, crcOf(of.subarray(0, cut)))).toBe(crcOf(of));
  }
});

test('each instance over one memory makes its own tables', () => {
  bytes.set(counting);
  expect(instance().crc32c(0, 32, 0) >>> 0).toBe(0x46dd794e);
});

describe.each([4096, 65_536])('a page of %i bytes', (size) => {
  const payload = size - 8;
  const at = size; // not at 0
  const write = (index: number, used: number) => {
    for (let n = 0; n < size; n++) bytes[at + n] = (n * 7 + index) % 255;
    seal(at, size, index, used);
  };

  test.each([1, 100, payload - 1, payload])('has %i bytes', (used) => {
    write(3, used);
    expect(check(at, size, 3)).toBe(used);
    expect(bytes.subarray(at + used, at + payload).every((byte) => byte === 0)).toBe(true);
    expect(check(at, size, 3)).toBe(used); // a look changes nothing
    expect(new DataView(memory.buffer).getUint32(at + payload, true)).toBe(used);
    const sealed = bytes.slice(at, at + size - 4);
    expect(reference(Buffer.concat([sealed, Buffer.alloc(4)]), 3)).toBe(
      new DataView(memory.buffer).getUint32(at + size - 4, true),
    );
  });

  test('is not the page of another index', () => {
    write(3, payload);
    for (const index of [0, 2, 4, 3 + 2 ** 16, -1]) expect(check(at, size, index)).toBe(0);
  });

  test('is a hole if it is all zeros, whatever its index', () => {
    bytes.fill(0, at, at + size);
    for (const index of [0, 1, -1]) expect(check(at, size, index)).toBe(payload);
    for (const n of [0, 1, 77, payload - 1, payload, size - 1]) {
      bytes[at + n] = 1;
      expect(check(at, size, 0)).toBe(0);
      bytes[at + n] = 0;
    }
  });

  test('of zeros that were written is no hole', () => {
    bytes.fill(0, at, at + size);
    seal(at, size, 0, payload);
    expect(bytes.subarray(at, at + size).some((byte) => byte !== 0)).toBe(true);
    expect(check(at, size, 0)).toBe(payload);
    expect(check(at, size, 1)).toBe(0);
  });

  test('with a byte changed, whichever, is found out', () => {
    write(5, 1000);
    const random = new Random(size);
    const places = [0, 999, 1000, payload - 1, ...Array.from({ length: 8 }, (_, n) => payload + n)];
    for (let n = 0; n < 50; n++) places.push(random.below(size));
    for (const place of places) {
      const was = bytes[at + place]!;
      for (const flip of [1, 0x80, 0xff]) {
        bytes[at + place] = was ^ flip;
        expect(check(at, size, 5)).toBe(0);
      }
      bytes[at + place] = was;
    }
    expect(check(at, size, 5)).toBe(1000);
  });
});
