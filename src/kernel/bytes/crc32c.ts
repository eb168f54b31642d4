// CRC-32C (Castagnoli), reflected, as iSCSI, ext4 and btrfs have it: 123456789 gives e3069283.
//
// Without tables in memory: a module that many threads instantiate over one live memory may bring no data into it, and a
// pool may have several memories. The block of 64 bytes that is the state so far is *folded* over the next: each of its 16
// words times x^512, modulo the polynomial, plus the word that stands 64 bytes further. Such a product is the sum of one
// looked-up word for each of the factor's 8 nibbles. A look-up in 16 bytes is one instruction for 16 lanes (swizzle), so
// the state is kept in four vectors, the first bytes of the 16 words, their second bytes, and so on, and a table of 16
// words in four as well. The 32 vectors of tables are globals: each thread's instance computes them at its first use.

/** Reflected: bit 31 is the factor of x^0. */
const POLYNOMIAL: u32 = 0x82f63b78;
const BLOCK: usize = 64;

// tQK: byte K of what a nibble at place Q (0: the lowest) comes to, for its 16 values.
let t00 = i64x2(0, 0); let t01 = i64x2(0, 0); let t02 = i64x2(0, 0); let t03 = i64x2(0, 0);
let t10 = i64x2(0, 0); let t11 = i64x2(0, 0); let t12 = i64x2(0, 0); let t13 = i64x2(0, 0);
let t20 = i64x2(0, 0); let t21 = i64x2(0, 0); let t22 = i64x2(0, 0); let t23 = i64x2(0, 0);
let t30 = i64x2(0, 0); let t31 = i64x2(0, 0); let t32 = i64x2(0, 0); let t33 = i64x2(0, 0);
let t40 = i64x2(0, 0); let t41 = i64x2(0, 0); let t42 = i64x2(0, 0); let t43 = i64x2(0, 0);
let t50 = i64x2(0, 0); let t51 = i64x2(0, 0); let t52 = i64x2(0, 0); let t53 = i64x2(0, 0);
let t60 = i64x2(0, 0); let t61 = i64x2(0, 0); let t62 = i64x2(0, 0); let t63 = i64x2(0, 0);
let t70 = i64x2(0, 0); let t71 = i64x2(0, 0); let t72 = i64x2(0, 0); let t73 = i64x2(0, 0);
// Product by x^32 of each bit of a word, four a vector.
let m0 = i64x2(0, 0); let m1 = i64x2(0, 0); let m2 = i64x2(0, 0); let m3 = i64x2(0, 0);
let m4 = i64x2(0, 0); let m5 = i64x2(0, 0); let m6 = i64x2(0, 0); let m7 = i64x2(0, 0);
let ready = false;

/** `word` times x^power. */
function timesPower(word: u32, power: i32): u32 {
  for (let n = 0; n < power; n++) word = (word >>> 1) ^ (POLYNOMIAL & (0 - (word & 1)));
  return word;
}

/** The vector tQK. */
function tableOf(place: i32, byte: i32): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let nibble: u32 = 0; nibble < 16; nibble++) {
    const product = (timesPower(nibble << (place << 2), 8 * <i32>BLOCK) >>> (byte << 3)) & 0xff;
    if (nibble < 8) low |= <u64>product << (nibble << 3);
    else high |= <u64>product << ((nibble - 8) << 3);
  }
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high);
}

/** The vector mN: bits 4N to 4N + 3. */
function bitsTimes32(first: i32): v128 {
  let vector = i32x4.splat(timesPower(1 << first, 32));
  vector = i32x4.replace_lane(vector, 1, timesPower(2 << first, 32));
  vector = i32x4.replace_lane(vector, 2, timesPower(4 << first, 32));
  return i32x4.replace_lane(vector, 3, timesPower(8 << first, 32));
}

function prepare(): void {
  t00 = tableOf(0, 0); t01 = tableOf(0, 1); t02 = tableOf(0, 2); t03 = tableOf(0, 3);
  t10 = tableOf(1, 0); t11 = tableOf(1, 1); t12 = tableOf(1, 2); t13 = tableOf(1, 3);
  t20 = tableOf(2, 0); t21 = tableOf(2, 1); t22 = tableOf(2, 2); t23 = tableOf(2, 3);
  t30 = tableOf(3, 0); t31 = tableOf(3, 1); t32 = tableOf(3, 2); t33 = tableOf(3, 3);
  t40 = tableOf(4, 0); t41 = tableOf(4, 1); t42 = tableOf(4, 2); t43 = tableOf(4, 3);
  t50 = tableOf(5, 0); t51 = tableOf(5, 1); t52 = tableOf(5, 2); t53 = tableOf(5, 3);
  t60 = tableOf(6, 0); t61 = tableOf(6, 1); t62 = tableOf(6, 2); t63 = tableOf(6, 3);
  t70 = tableOf(7, 0); t71 = tableOf(7, 1); t72 = tableOf(7, 2); t73 = tableOf(7, 3);
  m0 = bitsTimes32(0); m1 = bitsTimes32(4); m2 = bitsTimes32(8); m3 = bitsTimes32(12);
  m4 = bitsTimes32(16); m5 = bitsTimes32(20); m6 = bitsTimes32(24); m7 = bitsTimes32(28);
  ready = true;
}

// @ts-ignore: decorator
@inline function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline function swizzle(table: v128, lanes: v128): v128 {
  return i8x16.swizzle(table, lanes);
}

/** The lanes' low nibbles. */
// @ts-ignore: decorator
@inline function lowOf(bytes: v128): v128 {
  return v128.and(bytes, i8x16.splat(0x0f));
}

// @ts-ignore: decorator
@inline function highOf(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(0x0f));
}

/** Four words: their first bytes, then their second, third, fourth. */
// @ts-ignore: decorator
@inline function apart(words: v128): v128 {
  return i8x16.swizzle(words, i8x16(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
}

/** The products of those bits of `word` that `bits` selects, one a lane. */
// @ts-ignore: decorator
@inline function productsOf(word: v128, bits: v128, products: v128): v128 {
  return v128.and(i32x4.eq(v128.and(word, bits), bits), products);
}

/** `word` times x^32: what a register becomes over four bytes that are xored into it. */
// @ts-ignore: decorator
@inline function times32(word: i32): i32 {
  const w = i32x4.splat(word);
  const sum = xor(
    xor(
      xor(productsOf(w, i32x4(1, 2, 4, 8), m0), productsOf(w, i32x4(1 << 4, 2 << 4, 4 << 4, 8 << 4), m1)),
      xor(productsOf(w, i32x4(1 << 8, 2 << 8, 4 << 8, 8 << 8), m2), productsOf(w, i32x4(1 << 12, 2 << 12, 4 << 12, 8 << 12), m3)),
    ),
    xor(
      xor(productsOf(w, i32x4(1 << 16, 2 << 16, 4 << 16, 8 << 16), m4), productsOf(w, i32x4(1 << 20, 2 << 20, 4 << 20, 8 << 20), m5)),
      xor(productsOf(w, i32x4(1 << 24, 2 << 24, 4 << 24, 8 << 24), m6), productsOf(w, i32x4(1 << 28, 2 << 28, 4 << 28, 8 << 28), m7)),
    ),
  );
  const half = xor(sum, v128.shuffle<i64>(sum, sum, 1, 0));
  return i32x4.extract_lane(half, 0) ^ i32x4.extract_lane(half, 1);
}

/** The register after the four words of `words`. */
// @ts-ignore: decorator
@inline function over(register: i32, words: v128): i32 {
  register = times32(register ^ i32x4.extract_lane(words, 0));
  register = times32(register ^ i32x4.extract_lane(words, 1));
  register = times32(register ^ i32x4.extract_lane(words, 2));
  return times32(register ^ i32x4.extract_lane(words, 3));
}

/** The register after whole blocks, `length` bytes of them. */
function overBlocks(register: i32, at: usize, length: usize): i32 {
  let s0 = i64x2(0, 0);
  let s1 = i64x2(0, 0);
  let s2 = i64x2(0, 0);
  let s3 = i64x2(0, 0);
  let first = i32x4.replace_lane(i64x2(0, 0), 0, register);
  for (const end = at + length; at < end; at += BLOCK) {
    // The state, folded: nibbles of its planes, products of those.
    const n0 = lowOf(s0);
    const n1 = highOf(s0);
    const n2 = lowOf(s1);
    const n3 = highOf(s1);
    const n4 = lowOf(s2);
    const n5 = highOf(s2);
    const n6 = lowOf(s3);
    const n7 = highOf(s3);
    const f0 = xor(
      xor(xor(swizzle(t00, n0), swizzle(t10, n1)), xor(swizzle(t20, n2), swizzle(t30, n3))),
      xor(xor(swizzle(t40, n4), swizzle(t50, n5)), xor(swizzle(t60, n6), swizzle(t70, n7))),
    );
    const f1 = xor(
      xor(xor(swizzle(t01, n0), swizzle(t11, n1)), xor(swizzle(t21, n2), swizzle(t31, n3))),
      xor(xor(swizzle(t41, n4), swizzle(t51, n5)), xor(swizzle(t61, n6), swizzle(t71, n7))),
    );
    const f2 = xor(
      xor(xor(swizzle(t02, n0), swizzle(t12, n1)), xor(swizzle(t22, n2), swizzle(t32, n3))),
      xor(xor(swizzle(t42, n4), swizzle(t52, n5)), xor(swizzle(t62, n6), swizzle(t72, n7))),
    );
    const f3 = xor(
      xor(xor(swizzle(t03, n0), swizzle(t13, n1)), xor(swizzle(t23, n2), swizzle(t33, n3))),
      xor(xor(swizzle(t43, n4), swizzle(t53, n5)), xor(swizzle(t63, n6), swizzle(t73, n7))),
    );
    // The next block's planes: its 4 x 4 words of 4 bytes, transposed.
    const a = apart(xor(v128.load(at), first));
    const b = apart(v128.load(at, 16));
    const c = apart(v128.load(at, 32));
    const d = apart(v128.load(at, 48));
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const ba = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const dc = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    s0 = xor(f0, v128.shuffle<i64>(ab, cd, 0, 2));
    s1 = xor(f1, v128.shuffle<i64>(ab, cd, 1, 3));
    s2 = xor(f2, v128.shuffle<i64>(ba, dc, 0, 2));
    s3 = xor(f3, v128.shuffle<i64>(ba, dc, 1, 3));
    first = i64x2(0, 0);
  }
  // The state is the last block: its words, from the planes.
  const a = v128.shuffle<i8>(s0, s1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const b = v128.shuffle<i8>(s0, s1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  const c = v128.shuffle<i8>(s2, s3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const d = v128.shuffle<i8>(s2, s3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  register = over(0, v128.shuffle<i16>(a, c, 0, 8, 1, 9, 2, 10, 3, 11));
  register = over(register, v128.shuffle<i16>(a, c, 4, 12, 5, 13, 6, 14, 7, 15));
  register = over(register, v128.shuffle<i16>(b, d, 0, 8, 1, 9, 2, 10, 3, 11));
  return over(register, v128.shuffle<i16>(b, d, 4, 12, 5, 13, 6, 14, 7, 15));
}

/**
 * The CRC-32C of `length` bytes that follow on bytes whose CRC is `before`: 0 if there are none before. Any other number
 * makes another function of the bytes that is as good: a seed.
 */
export function crc32c(at: usize, length: usize, before: i32): i32 {
  if (!ready) prepare();
  let register = ~before;
  const blocks = length & ~(BLOCK - 1);
  if (blocks > 0) register = overBlocks(register, at, blocks);
  const end = at + length;
  at += blocks;
  for (; at + 4 <= end; at += 4) register = times32(register ^ load<i32>(at));
  for (; at < end; at++) register = timesPower(register ^ <i32>load<u8>(at), 8);
  return ~register;
}
