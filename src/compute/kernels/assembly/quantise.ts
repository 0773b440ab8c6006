// Quantise: f32 lines to int8 with one scale per line (section 8). A line is a row of A or a column of B; it lies in
// memory either in one piece ("along") or one element per row of the source ("across").
import { add, magic, mul } from './lanes';
import { loadPart } from './memory';

const FLOOR: u32 = 0x2b8cbccc; // 1e-12
const INFINITE: u32 = 0x7f800000;
const BITS: u32 = 0x7fffffff;

/** s (to memory) and r (returned) of a = max(absmax, 1e-12) from the bits of absmax; NaN if it is not finite. */
// @ts-ignore: decorator
@inline
function lineScale(s: usize, absmax: u32): f32 {
  if (absmax >= INFINITE) {
    store<f32>(s, NaN);
    return NaN;
  }
  const a = max(reinterpret<f32>(absmax), reinterpret<f32>(FLOOR));
  store<f32>(s, a / 63);
  return (63 as f32) / a;
}

/** Four values as integers: rne(x*r), or floor(x*r + u). The value is below 2^22, so 1.5 * 2^23 rounds and shows it. */
// @ts-ignore: decorator
@inline
function levels(stochastic: bool, x: v128, r: v128, u: v128): v128 {
  const scaled = stochastic ? f32x4.floor(add(mul(x, r), u)) : mul(x, r);
  const m = magic();
  return i32x4.sub(add(scaled, m), m);
}

/** Sixteen levels as int8, within [-63, 63]. */
// @ts-ignore: decorator
@inline
function pack(a: v128, b: v128, c: v128, d: v128): v128 {
  const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  return i8x16.max_s(i8x16.min_s(bytes, i8x16.splat(63)), i8x16.splat(-63));
}

// @ts-ignore: decorator
@inline
function level(stochastic: bool, x: f32, r: f32, u: f32): i32 {
  const scaled: f32 = x * r;
  const value: f32 = stochastic ? floor<f32>(scaled + u) : nearest<f32>(scaled);
  return i32(min<f32>(max<f32>(value, -63), 63));
}

// @ts-ignore: decorator
@inline
function absmaxAlong(x: usize, count: i32): u32 {
  const mask = i32x4.splat(BITS);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  for (; count >= 8; count -= 8) {
    a = i32x4.max_s(a, v128.and(v128.load(x), mask));
    b = i32x4.max_s(b, v128.and(v128.load(x, 16), mask));
    x += 32;
  }
  for (; count >= 4; count -= 4) {
    a = i32x4.max_s(a, v128.and(v128.load(x), mask));
    x += 16;
  }
  if (count) b = i32x4.max_s(b, v128.and(loadPart(x, count), mask));
  const m = i32x4.max_s(a, b);
  return max(
    max(i32x4.extract_lane(m, 0), i32x4.extract_lane(m, 1)),
    max(i32x4.extract_lane(m, 2), i32x4.extract_lane(m, 3)),
  ) as u32;
}

/** One line that lies in one piece, and its u likewise. */
// @ts-ignore: decorator
@inline
function lineAlong(stochastic: bool, q: usize, x: usize, count: i32, r: f32, u: usize): void {
  const r4 = f32x4.splat(r);
  for (; count >= 16; count -= 16) {
    const a = levels(stochastic, v128.load(x), r4, stochastic ? v128.load(u) : r4);
    const b = levels(stochastic, v128.load(x, 16), r4, stochastic ? v128.load(u, 16) : r4);
    const c = levels(stochastic, v128.load(x, 32), r4, stochastic ? v128.load(u, 32) : r4);
    const d = levels(stochastic, v128.load(x, 48), r4, stochastic ? v128.load(u, 48) : r4);
    v128.store(q, pack(a, b, c, d));
    x += 64;
    u += 64;
    q += 16;
  }
  for (; count > 0; count--) {
    store<i8>(q, level(stochastic, load<f32>(x), r, stochastic ? load<f32>(u) : 0) as i8);
    x += 4;
    u += 4;
    q++;
  }
}

function quantiseAlong(q: usize, s: usize, x: usize, lines: i32, count: i32, u: usize): void {
  const width = (count as usize) << 2;
  for (let line = 0; line < lines; line++) {
    const r = lineScale(s, absmaxAlong(x, count));
    if (r != r) memory.fill(q, 0, count as usize);
    else if (u) lineAlong(true, q, x, count, r, u);
    else lineAlong(false, q, x, count, r, 0);
    q += count as usize;
    s += 4;
    x += width;
    if (u) u += width;
  }
}

/** s[line] = bits of the largest magnitude of each of the source's columns. */
function absmaxAcross(s: usize, x: usize, lines: i32, count: i32): void {
  const mask = i32x4.splat(BITS);
  const width = (lines as usize) << 2;
  memory.fill(s, 0, width);
  for (; count >= 4; count -= 4) {
    let i: usize = 0;
    for (; i + 16 <= width; i += 16) {
      const at = x + i;
      const a = i32x4.max_s(v128.and(v128.load(at), mask), v128.and(v128.load(at + width), mask));
      const b = i32x4.max_s(v128.and(v128.load(at + 2 * width), mask), v128.and(v128.load(at + 3 * width), mask));
      v128.store(s + i, i32x4.max_s(v128.load(s + i), i32x4.max_s(a, b)));
    }
    for (; i < width; i += 4) {
      for (let row: usize = 0; row < 4; row++) {
        store<i32>(s + i, max(load<i32>(s + i), load<i32>(x + i + row * width) & BITS));
      }
    }
    x += 4 * width;
  }
  for (; count > 0; count--) {
    for (let i: usize = 0; i < width; i += 4) store<i32>(s + i, max(load<i32>(s + i), load<i32>(x + i) & BITS));
    x += width;
  }
}

const BLOCK: usize = memory.data(256, 16);
const OTHER: usize = memory.data(256, 16);
/** The most lines that are worked on together, and their rates. */
const CHUNK = 1024;
const RATES: usize = memory.data(4096, 64);

/** Bytes a0 b0 a1 b1 .. of the low (or high) halves of a and b. */
// @ts-ignore: decorator
@inline
function zipLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
// @ts-ignore: decorator
@inline
function zipHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Vectors i and i + 8 of `from` are zipped into 2i and 2i + 1 of `to`. */
// @ts-ignore: decorator
@inline
function zipPair(from: usize, to: usize, step: usize): void {
  const a = v128.load(from);
  const b = v128.load(from, 128);
  v128.store(to, zipLow(a, b));
  v128.store(to + step, zipHigh(a, b));
}

/** One of the four equal stages of a 16 x 16 byte transpose. */
// @ts-ignore: decorator
@inline
function zipStage(from: usize, to: usize, step: usize): void {
  zipPair(from, to, step);
  zipPair(from + 16, to + 2 * step, step);
  zipPair(from + 32, to + 4 * step, step);
  zipPair(from + 48, to + 6 * step, step);
  zipPair(from + 64, to + 8 * step, step);
  zipPair(from + 80, to + 10 * step, step);
  zipPair(from + 96, to + 12 * step, step);
  zipPair(from + 112, to + 14 * step, step);
}

/** Sixteen lines by sixteen elements: BLOCK holds element l of the sixteen lines in its row l. */
// @ts-ignore: decorator
@inline
function storeTransposed(q: usize, step: usize): void {
  zipStage(BLOCK, OTHER, 16);
  zipStage(OTHER, BLOCK, 16);
  zipStage(BLOCK, OTHER, 16);
  zipStage(OTHER, q, step);
}

/** Sixteen elements of sixteen lines that are neighbours in the source; u likewise; q steps `step` bytes. */
// @ts-ignore: decorator
@inline
function blockAcross(
  stochastic: bool, q: usize, step: usize, x: usize, width: usize, rates: usize, u: usize,
): void {
  const r0 = v128.load(rates);
  const r1 = v128.load(rates, 16);
  const r2 = v128.load(rates, 32);
  const r3 = v128.load(rates, 48);
  for (let row: usize = 0; row < 256; row += 16) {
    const a = levels(stochastic, v128.load(x), r0, stochastic ? v128.load(u) : r0);
    const b = levels(stochastic, v128.load(x, 16), r1, stochastic ? v128.load(u, 16) : r0);
    const c = levels(stochastic, v128.load(x, 32), r2, stochastic ? v128.load(u, 32) : r0);
    const d = levels(stochastic, v128.load(x, 48), r3, stochastic ? v128.load(u, 48) : r0);
    v128.store(BLOCK + row, pack(a, b, c, d));
    x += width;
    u += width;
  }
  storeTransposed(q, step);
}

/** One element of `lines` lines (side by side in the source), one by one. */
function rowAcross(q: usize, step: usize, x: usize, rates: usize, lines: i32, u: usize): void {
  for (let line = 0; line < lines; line++) {
    const r = load<f32>(rates);
    const value = u ? level(true, load<f32>(x), r, load<f32>(u)) : level(false, load<f32>(x), r, 0);
    store<i8>(q, value as i8);
    q += step;
    x += 4;
    rates += 4;
    if (u) u += 4;
  }
}

/**
 * `lines` (a multiple of 16, at most CHUNK) lines whose rates stand in RATES, sixteen elements of all of them at a
 * time: the source is read row by row. Sixteen whole lines at a time would take a new page of it at every element (measured
 * 0.53 against 0.38 ms for 512 x 1024).
 */
function chunkAcross(q: usize, x: usize, lines: i32, width: usize, count: i32, u: usize): void {
  const step = count as usize;
  let l = 0;
  for (; l + 16 <= count; l += 16) {
    for (let line: usize = 0; line < (lines as usize); line += 16) {
      const at = line << 2;
      const to = q + line * step + (l as usize);
      if (u) blockAcross(true, to, step, x + at, width, RATES + at, u + at);
      else blockAcross(false, to, step, x + at, width, RATES + at, 0);
    }
    x += 16 * width;
    if (u) u += 16 * width;
  }
  for (; l < count; l++) {
    rowAcross(q + (l as usize), step, x, RATES, lines, u);
    x += width;
    if (u) u += width;
  }
}

/** One line whose elements lie xStep bytes apart and whose u lie uStep bytes apart: any layout, element by element. */
function lineSlow(q: usize, x: usize, xStep: usize, count: i32, r: f32, u: usize, uStep: usize): void {
  for (; count > 0; count--) {
    const value = u ? level(true, load<f32>(x), r, load<f32>(u)) : level(false, load<f32>(x), r, 0);
    store<i8>(q, value as i8);
    x += xStep;
    if (u) u += uStep;
    q++;
  }
}

/** uLine, uStep: bytes between the u of two lines, and of two elements of a line. */
function quantiseAcross(
  q: usize, s: usize, x: usize, lines: i32, count: i32, u: usize, uLine: usize, uStep: usize,
): void {
  absmaxAcross(s, x, lines, count);
  const width = (lines as usize) << 2;
  let line = 0;
  // u in the order of the source is as fast as none; in the other order it goes element by element.
  if (!u || uLine == 4) {
    while (line + 16 <= lines) {
      const some = min((lines - line) & ~15, CHUNK);
      const at = (line as usize) << 2;
      const to = q + (line as usize) * (count as usize);
      for (let i: usize = 0; i < (some as usize) << 2; i += 4) {
        const r = lineScale(s + at + i, load<u32>(s + at + i));
        // A rate of 0 in place of NaN; the line is cleared below.
        store<f32>(RATES + i, r == r ? r : 0);
      }
      chunkAcross(to, x + at, some, width, count, u ? u + at : 0);
      for (let i = 0; i < some; i++) {
        const value = load<f32>(s + at + ((i as usize) << 2));
        if (value != value) memory.fill(to + (i as usize) * (count as usize), 0, count as usize);
      }
      line += some;
    }
  }
  for (; line < lines; line++) {
    const at = (line as usize) << 2;
    const to = q + (line as usize) * (count as usize);
    const r = lineScale(s + at, load<u32>(s + at));
    if (r != r) memory.fill(to, 0, count as usize);
    else lineSlow(to, x + at, width, count, r, u ? u + (line as usize) * uLine : 0, uStep);
  }
}

/** Lines in one piece whose u lies across: element by element. */
function quantiseAlongCrossed(q: usize, s: usize, x: usize, lines: i32, count: i32, u: usize): void {
  const width = (count as usize) << 2;
  for (let line = 0; line < lines; line++) {
    const r = lineScale(s, absmaxAlong(x, count));
    if (r != r) memory.fill(q, 0, count as usize);
    else lineSlow(q, x, 4, count, r, u + ((line as usize) << 2), (lines as usize) << 2);
    q += count as usize;
    s += 4;
    x += width;
  }
}

export function quantiseRows(q: usize, s: usize, x: usize, m: i32, k: i32, transposed: i32, u: usize): void {
  if (transposed) quantiseAcross(q, s, x, m, k, u, (k as usize) << 2, 4);
  else quantiseAlong(q, s, x, m, k, u);
}

export function quantiseCols(q: usize, s: usize, x: usize, k: i32, n: i32, transposed: i32, u: usize): void {
  if (!transposed) quantiseAcross(q, s, x, n, k, u, 4, (n as usize) << 2);
  else if (u) quantiseAlongCrossed(q, s, x, n, k, u);
  else quantiseAlong(q, s, x, n, k, 0);
}
