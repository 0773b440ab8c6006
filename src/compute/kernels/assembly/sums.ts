// Sums: SUM of section 2, 64 lanes and a tree. A row's lanes live in sixteen vectors: two passes of eight, because
// sixteen accumulators do not fit the registers of x64.
import { add, div, exp4, mul, sub } from './lanes';
import { LANES, loadPart, partMask, storePart } from './memory';

// What is summed. x, square and the rest read p (and q, z) at the same index; s and t are values splat before.
const X = 0;
const SQUARE = 1;
const DEVIATION = 2; // (p - s)^2
const PRODUCT = 3; // p * q
const NORMALISED = 4; // (p * q) * ((z - s) * t)
const EXPONENT = 5; // exp(p - s)
const DIFFERENCE = 6; // (p - q)^2

// @ts-ignore: decorator
@inline
function take(whole: bool, p: usize, count: i32): v128 {
  if (whole) return v128.load(p);
  return loadPart(p, count);
}

// @ts-ignore: decorator
@inline
function term(kind: i32, whole: bool, p: usize, q: usize, z: usize, s: v128, t: v128, count: i32): v128 {
  const v = take(whole, p, count);
  if (kind == X) return v;
  if (kind == SQUARE) return mul(v, v);
  if (kind == DEVIATION) {
    const d = sub(v, s);
    return mul(d, d);
  }
  if (kind == PRODUCT) return mul(v, take(whole, q, count));
  if (kind == NORMALISED) return mul(mul(v, take(whole, q, count)), mul(sub(take(whole, z, count), s), t));
  if (kind == EXPONENT) return exp4(sub(v, s));
  const e = sub(v, take(whole, q, count));
  return mul(e, e);
}

/** Eight accumulators over every 64th term from p on; they end in LANES + to. */
// @ts-ignore: decorator
@inline
function halfPass(kind: i32, to: usize, p: usize, q: usize, z: usize, s: v128, t: v128, blocks: i32): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let a4 = f32x4.splat(0);
  let a5 = f32x4.splat(0);
  let a6 = f32x4.splat(0);
  let a7 = f32x4.splat(0);
  for (let i = 0; i < blocks; i++) {
    a0 = add(a0, term(kind, true, p, q, z, s, t, 4));
    a1 = add(a1, term(kind, true, p + 16, q + 16, z + 16, s, t, 4));
    a2 = add(a2, term(kind, true, p + 32, q + 32, z + 32, s, t, 4));
    a3 = add(a3, term(kind, true, p + 48, q + 48, z + 48, s, t, 4));
    a4 = add(a4, term(kind, true, p + 64, q + 64, z + 64, s, t, 4));
    a5 = add(a5, term(kind, true, p + 80, q + 80, z + 80, s, t, 4));
    a6 = add(a6, term(kind, true, p + 96, q + 96, z + 96, s, t, 4));
    a7 = add(a7, term(kind, true, p + 112, q + 112, z + 112, s, t, 4));
    p += 256;
    q += 256;
    z += 256;
  }
  v128.store(LANES + to, a0);
  v128.store(LANES + to, a1, 16);
  v128.store(LANES + to, a2, 32);
  v128.store(LANES + to, a3, 48);
  v128.store(LANES + to, a4, 64);
  v128.store(LANES + to, a5, 80);
  v128.store(LANES + to, a6, 96);
  v128.store(LANES + to, a7, 112);
}

/** The tree over the 64 lanes at LANES: lanes l and l + h are added for h = 32, 16, .. 1. */
function tree(): f32 {
  for (let l: usize = 0; l < 128; l += 16) v128.store(LANES + l, add(v128.load(LANES + l), v128.load(LANES + l, 128)));
  const a = add(v128.load(LANES), v128.load(LANES, 64));
  const b = add(v128.load(LANES, 16), v128.load(LANES, 80));
  const c = add(v128.load(LANES, 32), v128.load(LANES, 96));
  const d = add(v128.load(LANES, 48), v128.load(LANES, 112));
  const e = add(add(a, c), add(b, d));
  const f = add(e, i8x16.shuffle(e, e, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(f, 0) + f32x4.extract_lane(f, 1);
}

// @ts-ignore: decorator
@inline
function sumTerms(kind: i32, p: usize, q: usize, z: usize, s: v128, t: v128, n: i32): f32 {
  const blocks = n >> 6;
  halfPass(kind, 0, p, q, z, s, t, blocks);
  halfPass(kind, 128, p + 128, q + 128, z + 128, s, t, blocks);
  const done = (blocks as usize) << 8;
  const rest = n & 63;
  let l: usize = 0;
  for (const whole = ((rest & ~3) as usize) << 2; l < whole; l += 16) {
    const value = term(kind, true, p + done + l, q + done + l, z + done + l, s, t, 4);
    v128.store(LANES + l, add(v128.load(LANES + l), value));
  }
  const part = rest & 3;
  if (part) {
    // The lanes beyond the row's end get +0 whatever their term would be.
    const value = term(kind, false, p + done + l, q + done + l, z + done + l, s, t, part);
    v128.store(LANES + l, add(v128.load(LANES + l), v128.and(value, partMask(part))));
  }
  return tree();
}

export function sum(x: usize, n: i32): f32 {
  return sumTerms(X, x, 0, 0, f32x4.splat(0), f32x4.splat(0), n);
}
export function sumSquares(x: usize, n: i32): f32 {
  return sumTerms(SQUARE, x, 0, 0, f32x4.splat(0), f32x4.splat(0), n);
}
export function sumDeviations(x: usize, mean: f32, n: i32): f32 {
  return sumTerms(DEVIATION, x, 0, 0, f32x4.splat(mean), f32x4.splat(0), n);
}
export function sumProducts(x: usize, y: usize, n: i32): f32 {
  return sumTerms(PRODUCT, x, y, 0, f32x4.splat(0), f32x4.splat(0), n);
}
export function sumNormalised(dy: usize, gamma: usize, x: usize, mean: f32, rstd: f32, n: i32): f32 {
  return sumTerms(NORMALISED, dy, gamma, x, f32x4.splat(mean), f32x4.splat(rstd), n);
}
export function sumExponents(x: usize, most: f32, n: i32): f32 {
  return sumTerms(EXPONENT, x, 0, 0, f32x4.splat(most), f32x4.splat(0), n);
}
export function sumDifferences(x: usize, y: usize, n: i32): f32 {
  return sumTerms(DIFFERENCE, x, y, 0, f32x4.splat(0), f32x4.splat(0), n);
}

export function rowSum(out: usize, x: usize, rows: i32, n: i32): void {
  for (let row = 0; row < rows; row++) {
    store<f32>(out + ((row as usize) << 2), sum(x, n));
    x += (n as usize) << 2;
  }
}

export function rowMean(out: usize, x: usize, rows: i32, n: i32): void {
  for (let row = 0; row < rows; row++) {
    store<f32>(out + ((row as usize) << 2), sum(x, n) / (n as f32));
    x += (n as usize) << 2;
  }
}

export function rowMax(out: usize, x: usize, rows: i32, n: i32): void {
  for (let row = 0; row < rows; row++) {
    let most = f32x4.splat(-Infinity);
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      most = f32x4.max(most, v128.load(x));
      x += 16;
    }
    let m = max(
      max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
      max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
    );
    for (; i < n; i++) {
      m = max(m, load<f32>(x));
      x += 4;
    }
    store<f32>(out + ((row as usize) << 2), m);
  }
}

export function squareChunks(out: usize, x: usize, n: i32): void {
  for (; n > 0; n -= 4096) {
    store<f32>(out, sumSquares(x, min(n, 4096)));
    out += 4;
    x += 16384;
  }
}

// @ts-ignore: decorator
@inline
function columnTerm(centred: bool, whole: bool, p: usize, z: usize, s: v128, t: v128, count: i32): v128 {
  const v = take(whole, p, count);
  if (centred) return mul(v, mul(sub(take(whole, z, count), s), t));
  return v;
}

/** Adds lanes l and l + h of LANES (64 bytes each, `vectors` used) for h = 32 .. 1, of the `lanes` that exist. */
// @ts-ignore: decorator
@inline
function columnTree(lanes: i32, vectors: i32): void {
  for (let h = 32; h > 0; h >>= 1) {
    for (let l = 0; l + h < lanes; l++) {
      const at = LANES + ((l as usize) << 6);
      const from = at + ((h as usize) << 6);
      v128.store(at, add(v128.load(at), v128.load(from)));
      if (vectors == 4) {
        v128.store(at, add(v128.load(at, 16), v128.load(from, 16)), 16);
        v128.store(at, add(v128.load(at, 32), v128.load(from, 32)), 32);
        v128.store(at, add(v128.load(at, 48), v128.load(from, 48)), 48);
      }
    }
    lanes = min(lanes, h);
  }
}

/**
 * Column sums of p (rows step bytes apart), or of p * ((z - mean[row]) * rstd[row]) when `centred`. A strip of 16
 * columns is one cache line per row; a lane's terms (rows l, l + 64, ..) are added in registers.
 */
// @ts-ignore: decorator
@inline
function columnTerms(
  centred: bool, out: usize, p: usize, step: usize, rows: i32, cols: i32, z: usize, mean: usize, rstd: usize,
): void {
  const lanes = min(rows, 64);
  let col = 0;
  for (; col + 16 <= cols; col += 16) {
    for (let l = 0; l < lanes; l++) {
      let a = f32x4.splat(0);
      let b = f32x4.splat(0);
      let c = f32x4.splat(0);
      let d = f32x4.splat(0);
      for (let i = l; i < rows; i += 64) {
        const at = (i as usize) * step;
        const s = centred ? v128.load32_splat(mean + ((i as usize) << 2)) : a;
        const t = centred ? v128.load32_splat(rstd + ((i as usize) << 2)) : a;
        a = add(a, columnTerm(centred, true, p + at, z + at, s, t, 4));
        b = add(b, columnTerm(centred, true, p + at + 16, z + at + 16, s, t, 4));
        c = add(c, columnTerm(centred, true, p + at + 32, z + at + 32, s, t, 4));
        d = add(d, columnTerm(centred, true, p + at + 48, z + at + 48, s, t, 4));
      }
      const lane = LANES + ((l as usize) << 6);
      v128.store(lane, a);
      v128.store(lane, b, 16);
      v128.store(lane, c, 32);
      v128.store(lane, d, 48);
    }
    columnTree(lanes, 4);
    for (let i: usize = 0; i < 64; i += 16) v128.store(out + i, v128.load(LANES + i));
    out += 64;
    p += 64;
    z += 64;
  }
  for (; col < cols; col += 4) {
    const count = min(cols - col, 4);
    for (let l = 0; l < lanes; l++) {
      let a = f32x4.splat(0);
      for (let i = l; i < rows; i += 64) {
        const at = (i as usize) * step;
        const s = centred ? v128.load32_splat(mean + ((i as usize) << 2)) : a;
        const t = centred ? v128.load32_splat(rstd + ((i as usize) << 2)) : a;
        a = add(a, columnTerm(centred, false, p + at, z + at, s, t, count));
      }
      v128.store(LANES + ((l as usize) << 6), a);
    }
    columnTree(lanes, 1);
    storePart(out, v128.load(LANES), count);
    out += 16;
    p += 16;
    z += 16;
  }
}

/** Column sums of `rows` rows that lie `step` bytes apart. */
export function columnSumStrided(out: usize, x: usize, step: usize, rows: i32, cols: i32): void {
  if (rows > 0) columnTerms(false, out, x, step, rows, cols, 0, 0, 0);
  else memory.fill(out, 0, (cols as usize) << 2);
}

export function columnSum(out: usize, x: usize, rows: i32, cols: i32): void {
  columnSumStrided(out, x, (cols as usize) << 2, rows, cols);
}

/** dgamma of layer normalisation: column sums of dy * h. */
export function columnSumNormalised(
  out: usize, dy: usize, x: usize, mean: usize, rstd: usize, rows: i32, cols: i32,
): void {
  if (rows > 0) columnTerms(true, out, dy, (cols as usize) << 2, rows, cols, x, mean, rstd);
  else memory.fill(out, 0, (cols as usize) << 2);
}

/** The byte offset of the element that the row-major position `index` of axes (sizes, strides at `axes`) names. */
function place(axes: usize, rank: i32, index: i32): usize {
  let at = 0;
  for (let axis = rank - 1; axis >= 0; axis--) {
    const size = load<i32>(axes + ((axis as usize) << 2));
    at += (index % size) * load<i32>(axes + (((rank + axis) as usize) << 2));
    index /= size;
  }
  return (at << 2) as usize;
}

function axesSize(axes: usize, rank: i32): i32 {
  let size = 1;
  for (let axis = 0; axis < rank; axis++) size *= load<i32>(axes + ((axis as usize) << 2));
  return size;
}

/** SUM of the elements that the reduced axes name, from x on: terms one by one into the lanes. */
function sumPlaces(x: usize, axes: usize, rank: i32, count: i32): f32 {
  memory.fill(LANES, 0, 256);
  for (let i = 0; i < count; i++) {
    const lane = LANES + (((i & 63) as usize) << 2);
    store<f32>(lane, load<f32>(lane) + load<f32>(x + place(axes, rank, i)));
  }
  return tree();
}

export function sumAxes(out: usize, x: usize, shape: usize): void {
  const kept = load<i32>(shape);
  const reduced = load<i32>(shape, 4);
  const keptAxes = shape + 8;
  const reducedAxes = keptAxes + ((kept as usize) << 3);
  const outputs = axesSize(keptAxes, kept);
  const count = axesSize(reducedAxes, reduced);
  const lastSize = kept > 0 ? load<i32>(keptAxes + (((kept - 1) as usize) << 2)) : 1;
  const lastStride = kept > 0 ? load<i32>(keptAxes + (((2 * kept - 1) as usize) << 2)) : 0;
  const step = reduced == 1 ? load<i32>(reducedAxes, 4) : 0;
  if (reduced == 1 && lastStride == 1 && lastSize > 1) {
    for (let i = 0; i < outputs; i += lastSize) {
      columnSumStrided(out + ((i as usize) << 2), x + place(keptAxes, kept, i), (step << 2) as usize, count, lastSize);
    }
    return;
  }
  for (let i = 0; i < outputs; i++) {
    const from = x + place(keptAxes, kept, i);
    const value = reduced == 1 && step == 1 ? sum(from, count) : sumPlaces(from, reducedAxes, reduced, count);
    store<f32>(out + ((i as usize) << 2), value);
  }
}
