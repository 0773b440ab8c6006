// Igemm: the plain integer product of section 8. Operands are widened to 16 bits and packed so that one instruction
// multiplies two neighbours of k in four columns and adds them: 8 products per multiply and per add, which is the most
// that SIMD without relaxed dot products offers.
import { add, mul } from './lanes';
import { storePart } from './memory';

/**
 * out[k/2][4 pairs] of four lines of int8 (step bytes apart, `lines` of them exist), out advancing by outStep bytes
 * per pair of k. k beyond `count` and lines beyond `lines` are 0.
 */
function packFour(out: usize, outStep: usize, q: usize, step: usize, lines: i32, count: i32): void {
  const q1 = lines > 1 ? q + step : EMPTY;
  const q2 = lines > 2 ? q + 2 * step : EMPTY;
  const q3 = lines > 3 ? q + 3 * step : EMPTY;
  const use1: usize = lines > 1 ? 1 : 0;
  const use2: usize = lines > 2 ? 1 : 0;
  const use3: usize = lines > 3 ? 1 : 0;
  let l: usize = 0;
  for (const whole = (count & ~7) as usize; l < whole; l += 8) {
    packEight(out, outStep, q + l, q1 + use1 * l, q2 + use2 * l, q3 + use3 * l);
    out += 4 * outStep;
  }
  const rest = (count & 7) as usize;
  if (rest) {
    memory.fill(ENDS, 0, 32);
    memory.copy(ENDS, q + l, rest);
    if (use1) memory.copy(ENDS + 8, q1 + l, rest);
    if (use2) memory.copy(ENDS + 16, q2 + l, rest);
    if (use3) memory.copy(ENDS + 24, q3 + l, rest);
    packEight(out, outStep, ENDS, ENDS + 8, ENDS + 16, ENDS + 24);
  }
}

/** Eight zeros: the values of a line that does not exist. */
const EMPTY: usize = memory.data(16, 16);
const ENDS: usize = memory.data(32, 16);

/** Four pairs of k of four lines: a 4 x 4 transpose of pairs. */
// @ts-ignore: decorator
@inline
function packEight(out: usize, outStep: usize, q0: usize, q1: usize, q2: usize, q3: usize): void {
  const a = v128.load8x8_s(q0);
  const b = v128.load8x8_s(q1);
  const c = v128.load8x8_s(q2);
  const d = v128.load8x8_s(q3);
  const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(out, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  out += outStep;
  v128.store(out, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  out += outStep;
  v128.store(out, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  out += outStep;
  v128.store(out, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
}

// @ts-ignore: decorator
@inline
function dot(sum: v128, a: v128, b: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}

/** C = (f32(sum) * sA) * sB + 0 of four columns. */
// @ts-ignore: decorator
@inline
function finish(c: usize, sum: v128, sa: usize, sb: v128, count: i32): void {
  const value = mul(mul(f32x4.convert_i32x4_s(sum), v128.load32_splat(sa)), sb);
  if (count >= 4) v128.store(c, add(value, f32x4.splat(0)));
  else if (count > 0) storePart(c, add(value, f32x4.splat(0)), count);
}

/** Four rows by eight columns over `pairs` (even) pairs of k; the scales of absent rows and columns are not read. */
function panelProduct(
  c: usize, step: usize, a: usize, b: usize, sa: usize, sb: usize, pairs: i32, rows: i32, cols: i32,
): void {
  let c00 = i32x4.splat(0);
  let c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0);
  let c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0);
  let c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0);
  let c31 = i32x4.splat(0);
  for (; pairs > 0; pairs -= 2) {
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let v = v128.load32_splat(a);
    c00 = dot(c00, v, b0);
    c01 = dot(c01, v, b1);
    v = v128.load32_splat(a, 4);
    c10 = dot(c10, v, b0);
    c11 = dot(c11, v, b1);
    v = v128.load32_splat(a, 8);
    c20 = dot(c20, v, b0);
    c21 = dot(c21, v, b1);
    v = v128.load32_splat(a, 12);
    c30 = dot(c30, v, b0);
    c31 = dot(c31, v, b1);
    b0 = v128.load(b, 32);
    b1 = v128.load(b, 48);
    v = v128.load32_splat(a, 16);
    c00 = dot(c00, v, b0);
    c01 = dot(c01, v, b1);
    v = v128.load32_splat(a, 20);
    c10 = dot(c10, v, b0);
    c11 = dot(c11, v, b1);
    v = v128.load32_splat(a, 24);
    c20 = dot(c20, v, b0);
    c21 = dot(c21, v, b1);
    v = v128.load32_splat(a, 28);
    c30 = dot(c30, v, b0);
    c31 = dot(c31, v, b1);
    a += 32;
    b += 64;
  }
  const s0 = cols >= 4 ? v128.load(sb) : partial(sb, cols);
  const s1 = cols >= 8 ? v128.load(sb, 16) : partial(sb + 16, cols - 4);
  finish(c, c00, sa, s0, cols);
  finish(c + 16, c01, sa, s1, cols - 4);
  if (rows > 1) {
    finish(c + step, c10, sa + 4, s0, cols);
    finish(c + step + 16, c11, sa + 4, s1, cols - 4);
  }
  if (rows > 2) {
    finish(c + 2 * step, c20, sa + 8, s0, cols);
    finish(c + 2 * step + 16, c21, sa + 8, s1, cols - 4);
  }
  if (rows > 3) {
    finish(c + 3 * step, c30, sa + 12, s0, cols);
    finish(c + 3 * step + 16, c31, sa + 12, s1, cols - 4);
  }
}

// @ts-ignore: decorator
@inline
function partial(sb: usize, count: i32): v128 {
  let v = f32x4.splat(0);
  if (count > 0) v = v128.load_lane<u32>(sb, v, 0);
  if (count > 1) v = v128.load_lane<u32>(sb + 4, v, 1);
  if (count > 2) v = v128.load_lane<u32>(sb + 8, v, 2);
  return v;
}

export function igemm(
  c: usize, qa: usize, sa: usize, qb: usize, sb: usize, m: i32, n: i32, k: i32, scratch: usize,
): void {
  const pairs = ((k + 7) & ~7) >> 1;
  const aPanel = (pairs as usize) << 4;
  const bPanel = (pairs as usize) << 5;
  const packedA = scratch;
  const packedB = scratch + (((m + 3) >> 2) as usize) * aPanel;
  for (let i = 0; i < m; i += 4) {
    packFour(packedA + ((i >> 2) as usize) * aPanel, 16, qa + (i as usize) * (k as usize), k as usize, min(m - i, 4), k);
  }
  const step = (n as usize) << 2;
  for (let j = 0; j < n; j += 8) {
    const cols = min(n - j, 8);
    const lines = qb + (j as usize) * (k as usize);
    const right = cols > 4 ? lines + 4 * (k as usize) : EMPTY;
    packFour(packedB, 32, lines, k as usize, min(cols, 4), k);
    if (cols > 4) packFour(packedB + 16, 32, right, k as usize, cols - 4, k);
    for (let i = 0; i < m; i += 4) {
      panelProduct(
        c + (i as usize) * step + ((j as usize) << 2), step, packedA + ((i >> 2) as usize) * aPanel, packedB,
        sa + ((i as usize) << 2), sb + ((j as usize) << 2), pairs, min(m - i, 4), cols,
      );
    }
  }
}
