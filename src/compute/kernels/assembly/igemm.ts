// Igemm: the plain integer product of section 8. Operands are widened to 16 bits and packed so that one instruction
// multiplies two neighbours of k in four columns and adds them: 8 products per multiply and per add, which is the most
// that SIMD without relaxed dot products offers.
//
// A tile is 2 rows x 16 columns, and its sums are stored side by side, so that an engine may join neighbouring vectors
// to 256 bits (V8's --experimental-wasm-revectorize). Measured on x64, GMAC/s of the loop without and with: 2 x 16 26.6
// and 39.4, 4 x 16 24.5 and 44.7 (but slower than 2 x 16 at k = 256), 4 x 8 26.0 and 33.7. Sums are exact integers, so
// nothing of this changes a bit.
import { add, mul } from './lanes';
import { storePart } from './memory';

/** Eight zeros: the values of a line that does not exist. */
const EMPTY: usize = memory.data(16, 16);
/** The last, incomplete eight values of four lines. */
const ENDS: usize = memory.data(32, 16);
/** The sums of one tile, i32 [2][16]. */
const SUMS: usize = memory.data(128, 64);

// @ts-ignore: decorator
@inline
function zipPairsLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
}
// @ts-ignore: decorator
@inline
function zipPairsHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
}

/** out[4 pairs of k][2 lines] of eight values of two lines. */
// @ts-ignore: decorator
@inline
function packEightOfTwo(out: usize, q0: usize, q1: usize): void {
  const a = v128.load8x8_s(q0);
  const b = v128.load8x8_s(q1);
  v128.store(out, zipPairsLow(a, b));
  v128.store(out, zipPairsHigh(a, b), 16);
}

/** out[k/2][2] pairs of `lines` (1 or 2) lines of int8; a line that does not exist, and k beyond `count`, are 0. */
function packTwo(out: usize, q: usize, lines: i32, count: i32): void {
  const other: usize = lines > 1 ? q + (count as usize) : EMPTY;
  const move: usize = lines > 1 ? 1 : 0;
  const whole = (count & ~7) as usize;
  for (let l: usize = 0; l < whole; l += 8) {
    packEightOfTwo(out, q + l, other + move * l);
    out += 32;
  }
  const rest = (count & 7) as usize;
  if (rest) {
    memory.fill(ENDS, 0, 16);
    memory.copy(ENDS, q + whole, rest);
    if (move) memory.copy(ENDS + 8, other + whole, rest);
    packEightOfTwo(out, ENDS, ENDS + 8);
  }
}

/** Four pairs of k of four lines, each 64 bytes after the last: a 4 x 4 transpose of pairs. */
// @ts-ignore: decorator
@inline
function packEightOfFour(out: usize, q0: usize, q1: usize, q2: usize, q3: usize): void {
  const a = v128.load8x8_s(q0);
  const b = v128.load8x8_s(q1);
  const c = v128.load8x8_s(q2);
  const d = v128.load8x8_s(q3);
  const ab0 = zipPairsLow(a, b);
  const ab1 = zipPairsHigh(a, b);
  const cd0 = zipPairsLow(c, d);
  const cd1 = zipPairsHigh(c, d);
  v128.store(out, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(out, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 64);
  v128.store(out, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 128);
  v128.store(out, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 192);
}

/** The pairs of `lines` (0..4) lines into four neighbouring columns of a panel out[k/2][16], +0 as in packTwo. */
function packFour(out: usize, q: usize, lines: i32, count: i32): void {
  const step = count as usize;
  const q0 = lines > 0 ? q : EMPTY;
  const q1 = lines > 1 ? q + step : EMPTY;
  const q2 = lines > 2 ? q + 2 * step : EMPTY;
  const q3 = lines > 3 ? q + 3 * step : EMPTY;
  const move0: usize = lines > 0 ? 1 : 0;
  const move1: usize = lines > 1 ? 1 : 0;
  const move2: usize = lines > 2 ? 1 : 0;
  const move3: usize = lines > 3 ? 1 : 0;
  const whole = (count & ~7) as usize;
  for (let l: usize = 0; l < whole; l += 8) {
    packEightOfFour(out, q0 + move0 * l, q1 + move1 * l, q2 + move2 * l, q3 + move3 * l);
    out += 256;
  }
  const rest = (count & 7) as usize;
  if (rest) {
    memory.fill(ENDS, 0, 32);
    if (move0) memory.copy(ENDS, q0 + whole, rest);
    if (move1) memory.copy(ENDS + 8, q1 + whole, rest);
    if (move2) memory.copy(ENDS + 16, q2 + whole, rest);
    if (move3) memory.copy(ENDS + 24, q3 + whole, rest);
    packEightOfFour(out, ENDS, ENDS + 8, ENDS + 16, ENDS + 24);
  }
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}

/** SUMS = two rows by sixteen columns over `pairs` pairs of k. */
function tileSums(a: usize, b: usize, pairs: i32): void {
  let c00 = i32x4.splat(0);
  let c01 = i32x4.splat(0);
  let c02 = i32x4.splat(0);
  let c03 = i32x4.splat(0);
  let c10 = i32x4.splat(0);
  let c11 = i32x4.splat(0);
  let c12 = i32x4.splat(0);
  let c13 = i32x4.splat(0);
  for (; pairs > 0; pairs--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    const v0 = v128.load32_splat(a);
    c00 = dot(c00, v0, b0);
    c01 = dot(c01, v0, b1);
    c02 = dot(c02, v0, b2);
    c03 = dot(c03, v0, b3);
    const v1 = v128.load32_splat(a, 4);
    c10 = dot(c10, v1, b0);
    c11 = dot(c11, v1, b1);
    c12 = dot(c12, v1, b2);
    c13 = dot(c13, v1, b3);
    a += 8;
    b += 64;
  }
  v128.store(SUMS, c00);
  v128.store(SUMS, c01, 16);
  v128.store(SUMS, c02, 32);
  v128.store(SUMS, c03, 48);
  v128.store(SUMS, c10, 64);
  v128.store(SUMS, c11, 80);
  v128.store(SUMS, c12, 96);
  v128.store(SUMS, c13, 112);
}

// @ts-ignore: decorator
@inline
function scaled(sums: v128, sa: v128, sb: v128): v128 {
  return add(mul(mul(f32x4.convert_i32x4_s(sums), sa), sb), f32x4.splat(0));
}

/** C = (f32(sum) * sA) * sB + 0 of one row of the tile; sb holds 16 scales, of which `cols` are real. */
// @ts-ignore: decorator
@inline
function finishRow(c: usize, sums: usize, sa: usize, sb: usize, cols: i32): void {
  const s = v128.load32_splat(sa);
  if (cols >= 16) {
    v128.store(c, scaled(v128.load(sums), s, v128.load(sb)));
    v128.store(c, scaled(v128.load(sums, 16), s, v128.load(sb, 16)), 16);
    v128.store(c, scaled(v128.load(sums, 32), s, v128.load(sb, 32)), 32);
    v128.store(c, scaled(v128.load(sums, 48), s, v128.load(sb, 48)), 48);
    return;
  }
  for (; cols > 0; cols -= 4) {
    storePart(c, scaled(v128.load(sums), s, v128.load(sb)), min(cols, 4));
    c += 16;
    sums += 16;
    sb += 16;
  }
}

const SCALES: usize = memory.data(64, 64);

export function igemm(
  c: usize, qa: usize, sa: usize, qb: usize, sb: usize, m: i32, n: i32, k: i32, scratch: usize,
): void {
  const pairs = ((k + 7) & ~7) >> 1;
  const aPanel = (pairs as usize) << 3;
  const packedB = scratch + (((m + 1) >> 1) as usize) * aPanel;
  for (let i = 0; i < m; i += 2) {
    packTwo(scratch + ((i >> 1) as usize) * aPanel, qa + (i as usize) * (k as usize), min(m - i, 2), k);
  }
  const step = (n as usize) << 2;
  for (let j = 0; j < n; j += 16) {
    const cols = min(n - j, 16);
    for (let part = 0; part < 4; part++) {
      const first = j + 4 * part;
      packFour(packedB + ((part as usize) << 4), qb + (first as usize) * (k as usize), max(min(n - first, 4), 0), k);
    }
    memory.copy(SCALES, sb + ((j as usize) << 2), (cols as usize) << 2);
    for (let i = 0; i < m; i += 2) {
      tileSums(scratch + ((i >> 1) as usize) * aPanel, packedB, pairs);
      const out = c + (i as usize) * step + ((j as usize) << 2);
      finishRow(out, SUMS, sa + ((i as usize) << 2), SCALES, cols);
      if (i + 1 < m) finishRow(out + step, SUMS + 64, sa + ((i as usize) << 2) + 4, SCALES, cols);
    }
  }
}
