// Normalise: layer normalisation, softmax and the losses of section 6, row by row.
import { exponentShifted } from './exponent';
import { add, log4, mul, sub } from './lanes';
import { loadPart, storePart } from './memory';
import {
  columnSum,
  columnSumNormalised,
  sum,
  sumDeviations,
  sumDifferences,
  sumExponents,
  sumNormalised,
  sumProducts,
} from './sums';

// @ts-ignore: decorator
@inline
function normalised(x: v128, mean: v128, rstd: v128, gamma: v128, beta: v128): v128 {
  return add(mul(mul(sub(x, mean), rstd), gamma), beta);
}

export function layerNorm(
  y: usize, mean: usize, rstd: usize, x: usize, gamma: usize, beta: usize, rows: i32, n: i32, eps: f32,
): void {
  const size = n as f32;
  const width = (n as usize) << 2;
  const rest = n & 3;
  for (let row = 0; row < rows; row++) {
    const mu = sum(x, n) / size;
    const r: f32 = (1 as f32) / sqrt<f32>(sumDeviations(x, mu, n) / size + eps);
    store<f32>(mean + ((row as usize) << 2), mu);
    store<f32>(rstd + ((row as usize) << 2), r);
    const mean4 = f32x4.splat(mu);
    const rstd4 = f32x4.splat(r);
    let i: usize = 0;
    for (; i + 16 <= width; i += 16) {
      v128.store(y + i, normalised(v128.load(x + i), mean4, rstd4, v128.load(gamma + i), v128.load(beta + i)));
    }
    if (rest) {
      const value = normalised(
        loadPart(x + i, rest), mean4, rstd4, loadPart(gamma + i, rest), loadPart(beta + i, rest),
      );
      storePart(y + i, value, rest);
    }
    x += width;
    y += width;
  }
}

// @ts-ignore: decorator
@inline
function normalisedGrad(dy: v128, x: v128, gamma: v128, mean: v128, rstd: v128, s1: v128, s2: v128): v128 {
  const h = mul(sub(x, mean), rstd);
  const a = mul(dy, gamma);
  return mul(rstd, sub(sub(a, s1), mul(h, s2)));
}

export function layerNormGrad(
  dx: usize, dgamma: usize, dbeta: usize, dy: usize, x: usize, gamma: usize, mean: usize, rstd: usize,
  rows: i32, n: i32,
): void {
  // The column sums first: dx may take the place of dy.
  columnSumNormalised(dgamma, dy, x, mean, rstd, rows, n);
  columnSum(dbeta, dy, rows, n);
  const size = n as f32;
  const width = (n as usize) << 2;
  const rest = n & 3;
  for (let row = 0; row < rows; row++) {
    const mu = load<f32>(mean + ((row as usize) << 2));
    const r = load<f32>(rstd + ((row as usize) << 2));
    const s1 = f32x4.splat(sumProducts(dy, gamma, n) / size);
    const s2 = f32x4.splat(sumNormalised(dy, gamma, x, mu, r, n) / size);
    const mean4 = f32x4.splat(mu);
    const rstd4 = f32x4.splat(r);
    let i: usize = 0;
    for (; i + 16 <= width; i += 16) {
      const value = normalisedGrad(
        v128.load(dy + i), v128.load(x + i), v128.load(gamma + i), mean4, rstd4, s1, s2,
      );
      v128.store(dx + i, value);
    }
    if (rest) {
      const value = normalisedGrad(
        loadPart(dy + i, rest), loadPart(x + i, rest), loadPart(gamma + i, rest), mean4, rstd4, s1, s2,
      );
      storePart(dx + i, value, rest);
    }
    dx += width;
    dy += width;
    x += width;
  }
}

/**
 * A maximum of n values, for use inside exp(x - m). pmax may lose a NaN; but then the row's sum, and with it every
 * output of the row, is NaN all the same.
 */
// @ts-ignore: decorator
@inline
function rowMost(x: usize, n: i32): f32 {
  let most = f32x4.splat(-Infinity);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    most = f32x4.pmax(most, v128.load(x));
    x += 16;
  }
  const pair = f32x4.pmax(most, i8x16.shuffle(most, most, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  let m = max(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
  for (; i < n; i++) {
    m = max(m, load<f32>(x));
    x += 4;
  }
  return m;
}

/** x[i] = x[i] * factor, or (x[i] * factor) * second. */
// @ts-ignore: decorator
@inline
function scaleRow(x: usize, factor: f32, second: f32, twice: bool, n: i32): void {
  const factor4 = f32x4.splat(factor);
  const second4 = f32x4.splat(second);
  const end = x + ((n as usize) << 2);
  for (; x + 16 <= end; x += 16) {
    const value = mul(v128.load(x), factor4);
    v128.store(x, twice ? mul(value, second4) : value);
  }
  const rest = n & 3;
  if (rest) {
    const value = mul(loadPart(x, rest), factor4);
    storePart(x, twice ? mul(value, second4) : value, rest);
  }
}

/** Softmax of one row's first `range` values; the rest of p is +0. */
export function softmaxRow(p: usize, x: usize, range: i32, n: i32): void {
  exponentShifted(p, x, rowMost(x, range), range);
  scaleRow(p, (1 as f32) / sum(p, range), 0, false, range);
  if (range < n) memory.fill(p + ((range as usize) << 2), 0, ((n - range) as usize) << 2);
}

export function softmax(p: usize, x: usize, rows: i32, n: i32, causal: i32): void {
  for (let row = 0; row < rows; row++) {
    softmaxRow(p, x, causal ? (row % n) + 1 : n, n);
    p += (n as usize) << 2;
    x += (n as usize) << 2;
  }
}

/** dx = p * (dp - SUM(p * dp)) of one row. */
export function softmaxGradRow(dx: usize, p: usize, dp: usize, n: i32): void {
  const s = f32x4.splat(sumProducts(p, dp, n));
  const width = (n as usize) << 2;
  let i: usize = 0;
  for (; i + 16 <= width; i += 16) v128.store(dx + i, mul(v128.load(p + i), sub(v128.load(dp + i), s)));
  const rest = n & 3;
  if (rest) storePart(dx + i, mul(loadPart(p + i, rest), sub(loadPart(dp + i, rest), s)), rest);
}

export function softmaxGrad(dx: usize, p: usize, dp: usize, rows: i32, n: i32): void {
  const width = (n as usize) << 2;
  for (let row = 0; row < rows; row++) {
    softmaxGradRow(dx, p, dp, n);
    dx += width;
    p += width;
    dp += width;
  }
}

export function crossEntropy(
  loss: usize, rowLoss: usize, dx: usize, x: usize, labels: usize, rows: i32, classes: i32,
): i32 {
  for (let row = 0; row < rows; row++) {
    if (load<u32>(labels + ((row as usize) << 2)) >= (classes as u32)) return 1;
  }
  const width = (classes as usize) << 2;
  const w: f32 = (1 as f32) / (rows as f32);
  for (let row = 0; row < rows; row++) {
    const at = (load<u32>(labels + ((row as usize) << 2)) as usize) << 2;
    const most = rowMost(x, classes);
    const chosen = load<f32>(x + at);
    let total: f32;
    if (dx) {
      exponentShifted(dx, x, most, classes);
      total = sum(dx, classes);
      const r: f32 = (1 as f32) / total;
      const e = load<f32>(dx + at);
      scaleRow(dx, r, w, true, classes);
      store<f32>(dx + at, (e * r - 1) * w);
      dx += width;
    } else {
      total = sumExponents(x, most, classes);
    }
    const logarithm = f32x4.extract_lane(log4(f32x4.splat(total)), 0);
    store<f32>(rowLoss + ((row as usize) << 2), logarithm - (chosen - most));
    x += width;
  }
  store<f32>(loss, sum(rowLoss, rows) / (rows as f32));
  return 0;
}

export function mse(loss: usize, dy: usize, y: usize, t: usize, n: i32): void {
  store<f32>(loss, sumDifferences(y, t, n) / (n as f32));
  if (!dy) return;
  const factor = f32x4.splat((2 as f32) / (n as f32));
  const width = (n as usize) << 2;
  let i: usize = 0;
  for (; i + 16 <= width; i += 16) v128.store(dy + i, mul(sub(v128.load(y + i), v128.load(t + i)), factor));
  const rest = n & 3;
  if (rest) storePart(dy + i, mul(sub(loadPart(y + i, rest), loadPart(t + i, rest)), factor), rest);
}
