// Random: Philox4x32-10 of section 7; uniform16 makes four blocks (32 values) at a time.
import { mul } from './lanes';
import { TAIL } from './memory';

const M0: u64 = 0xd2511f53;
const M1: u64 = 0xcd9e8d57;
const W0: u32 = 0x9e3779b9;
const W1: u32 = 0xbb67ae85;

export function philox(out: usize, c0: u32, c1: u32, c2: u32, c3: u32, key0: u32, key1: u32): void {
  for (let round = 0; round < 10; round++) {
    const p = M0 * (c0 as u64);
    const q = M1 * (c2 as u64);
    c0 = ((q >> 32) as u32) ^ c1 ^ key0;
    c2 = ((p >> 32) as u32) ^ c3 ^ key1;
    c1 = q as u32;
    c3 = p as u32;
    key0 += W0;
    key1 += W1;
  }
  store<u32>(out, c0);
  store<u32>(out, c1, 4);
  store<u32>(out, c2, 8);
  store<u32>(out, c3, 12);
}

/** Low halves of four 32 x 32 bit products, given as two vectors of two 64-bit products. */
// @ts-ignore: decorator
@inline
function lowWords(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}
// @ts-ignore: decorator
@inline
function highWords(low: v128, high: v128): v128 {
  return i8x16.shuffle(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/** The eight values of one block's four words: low half, then high half of each. */
// @ts-ignore: decorator
@inline
function storeBlock(u: usize, words: v128): void {
  const unit = f32x4.splat(reinterpret<f32>(0x37800000));
  v128.store(u, mul(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(words)), unit));
  v128.store(u, mul(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(words)), unit), 16);
}

/** 32 values from blocks block .. block+3. */
function uniformBlocks(u: usize, block: u32, node: u32, purpose: u32, key0: u32, key1: u32): void {
  let a = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3));
  let b = i32x4.splat(node);
  let c = i32x4.splat(purpose);
  let d = i32x4.splat(0);
  const m0 = i32x4.splat(M0 as u32);
  const m1 = i32x4.splat(M1 as u32);
  for (let round = 0; round < 10; round++) {
    const pLow = i64x2.extmul_low_i32x4_u(a, m0);
    const pHigh = i64x2.extmul_high_i32x4_u(a, m0);
    const qLow = i64x2.extmul_low_i32x4_u(c, m1);
    const qHigh = i64x2.extmul_high_i32x4_u(c, m1);
    a = v128.xor(v128.xor(highWords(qLow, qHigh), b), i32x4.splat(key0));
    c = v128.xor(v128.xor(highWords(pLow, pHigh), d), i32x4.splat(key1));
    b = lowWords(qLow, qHigh);
    d = lowWords(pLow, pHigh);
    key0 += W0;
    key1 += W1;
  }
  // Words of four blocks, block by block: a 4 x 4 transpose.
  const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  storeBlock(u, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  storeBlock(u + 32, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  storeBlock(u + 64, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  storeBlock(u + 96, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
}

export function uniform16(u: usize, n: i32, key0: u32, key1: u32, node: u32, purpose: u32): void {
  let block: u32 = 0;
  for (; n >= 32; n -= 32) {
    uniformBlocks(u, block, node, purpose, key0, key1);
    u += 128;
    block += 4;
  }
  if (n > 0) {
    uniformBlocks(TAIL, block, node, purpose, key0, key1);
    memory.copy(u, TAIL, (n as usize) << 2);
  }
}
