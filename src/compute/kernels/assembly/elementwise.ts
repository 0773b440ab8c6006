// Elementwise: operators of one or two tensors, a loop per operator (the operator is a constant in each loop).
import { exponentGradient, exponentUnary } from './exponent';
import { add, div, erf4, geluErf4, log4, mul, one, relu4, sub } from './lanes';
import { loadPart, storePart } from './memory';

// @ts-ignore: decorator
@inline
function unaryLane(op: i32, x: v128): v128 {
  if (op == 0) return f32x4.neg(x);
  if (op == 1) return f32x4.abs(x);
  if (op == 2) return f32x4.sqrt(x);
  if (op == 4) return log4(x);
  if (op == 7) return erf4(x);
  if (op == 8) return relu4(x);
  if (op == 10) return geluErf4(x);
  return div(one(), f32x4.sqrt(x));
}

// @ts-ignore: decorator
@inline
function unaryLoop(op: i32, out: usize, x: usize, n: i32): void {
  const shift = out - x;
  const end = x + ((n as usize) << 2);
  for (const pairs = x + (((n & ~7) as usize) << 2); x < pairs; x += 32) {
    const first = unaryLane(op, v128.load(x));
    const second = unaryLane(op, v128.load(x, 16));
    v128.store(x + shift, first);
    v128.store(x + shift, second, 16);
  }
  for (; x + 16 <= end; x += 16) v128.store(x + shift, unaryLane(op, v128.load(x)));
  const rest = n & 3;
  if (rest) storePart(x + shift, unaryLane(op, loadPart(x, rest)), rest);
}

export function unary(op: i32, out: usize, x: usize, n: i32): void {
  switch (op) {
    case 0: return unaryLoop(0, out, x, n);
    case 1: return unaryLoop(1, out, x, n);
    case 2: return unaryLoop(2, out, x, n);
    case 4: return unaryLoop(4, out, x, n);
    case 7: return unaryLoop(7, out, x, n);
    case 8: return unaryLoop(8, out, x, n);
    case 10: return unaryLoop(10, out, x, n);
    case 12: return unaryLoop(12, out, x, n);
    default: return exponentUnary(op, out, x, n);
  }
}

// @ts-ignore: decorator
@inline
function gradientLane(op: i32, x: v128, dy: v128): v128 {
  if (op == 1) return div(dy, x);
  return v128.and(dy, f32x4.gt(x, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
function gradientLoop(op: i32, dx: usize, x: usize, dy: usize, n: i32): void {
  const end = (n as usize) << 2;
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) v128.store(dx + i, gradientLane(op, v128.load(x + i), v128.load(dy + i)));
  const rest = n & 3;
  if (rest) storePart(dx + i, gradientLane(op, loadPart(x + i, rest), loadPart(dy + i, rest)), rest);
}

export function gradient(op: i32, dx: usize, x: usize, dy: usize, n: i32): void {
  switch (op) {
    case 1: return gradientLoop(1, dx, x, dy, n);
    case 5: return gradientLoop(5, dx, x, dy, n);
    default: return exponentGradient(op, dx, x, dy, n);
  }
}

// @ts-ignore: decorator
@inline
function binaryLane(op: i32, a: v128, b: v128): v128 {
  if (op == 0) return add(a, b);
  if (op == 1) return sub(a, b);
  if (op == 2) return mul(a, b);
  if (op == 3) return div(a, b);
  if (op == 4) return f32x4.max(a, b);
  if (op == 5) return f32x4.min(a, b);
  if (op == 6) return sub(b, a);
  if (op == 7) return div(b, a);
  if (op == 8) return v128.and(f32x4.lt(a, b), one());
  if (op == 9) return v128.and(f32x4.le(a, b), one());
  if (op == 10) return v128.and(f32x4.gt(a, b), one());
  if (op == 11) return v128.and(f32x4.ge(a, b), one());
  return v128.and(f32x4.eq(a, b), one());
}

/** rows of cols: b moves along the row when `along`, else it is one value per row; bStep bytes between rows. */
// @ts-ignore: decorator
@inline
function binaryLoop(
  op: i32, along: bool, out: usize, a: usize, b: usize, rows: i32, cols: i32, bStep: usize,
): void {
  const width = (cols as usize) << 2;
  const rest = cols & 3;
  for (let row = 0; row < rows; row++) {
    const value = v128.load32_splat(b);
    let i: usize = 0;
    for (; i + 16 <= width; i += 16) {
      v128.store(out + i, binaryLane(op, v128.load(a + i), along ? v128.load(b + i) : value));
    }
    if (rest) storePart(out + i, binaryLane(op, loadPart(a + i, rest), along ? loadPart(b + i, rest) : value), rest);
    out += width;
    a += width;
    b += bStep;
  }
}

// @ts-ignore: decorator
@inline
function binaryRows(op: i32, out: usize, a: usize, b: usize, rows: i32, cols: i32, along: bool, bStep: usize): void {
  if (along) binaryLoop(op, true, out, a, b, rows, cols, bStep);
  else binaryLoop(op, false, out, a, b, rows, cols, bStep);
}

function binaryAny(op: i32, out: usize, a: usize, b: usize, rows: i32, cols: i32, along: bool, bStep: usize): void {
  switch (op) {
    case 0: return binaryRows(0, out, a, b, rows, cols, along, bStep);
    case 1: return binaryRows(1, out, a, b, rows, cols, along, bStep);
    case 2: return binaryRows(2, out, a, b, rows, cols, along, bStep);
    case 3: return binaryRows(3, out, a, b, rows, cols, along, bStep);
    case 4: return binaryRows(4, out, a, b, rows, cols, along, bStep);
    case 5: return binaryRows(5, out, a, b, rows, cols, along, bStep);
    case 6: return binaryRows(6, out, a, b, rows, cols, along, bStep);
    case 7: return binaryRows(7, out, a, b, rows, cols, along, bStep);
    case 8: return binaryRows(8, out, a, b, rows, cols, along, bStep);
    case 9: return binaryRows(9, out, a, b, rows, cols, along, bStep);
    case 10: return binaryRows(10, out, a, b, rows, cols, along, bStep);
    case 11: return binaryRows(11, out, a, b, rows, cols, along, bStep);
    default: return binaryRows(12, out, a, b, rows, cols, along, bStep);
  }
}

const SCALAR: usize = memory.data(16, 16);

export function binary(op: i32, out: usize, a: usize, b: usize, n: i32): void {
  binaryAny(op, out, a, b, 1, n, true, 0);
}

export function binaryScalar(op: i32, out: usize, a: usize, scalar: f32, n: i32): void {
  store<f32>(SCALAR, scalar);
  binaryAny(op, out, a, SCALAR, 1, n, false, 0);
}

export function binaryRow(op: i32, out: usize, a: usize, b: usize, rows: i32, cols: i32): void {
  binaryAny(op, out, a, b, rows, cols, true, 0);
}

export function binaryColumn(op: i32, out: usize, a: usize, b: usize, rows: i32, cols: i32): void {
  binaryAny(op, out, a, b, rows, cols, false, 4);
}

// @ts-ignore: decorator
@inline
function select(condition: v128, a: v128, b: v128): v128 {
  return v128.bitselect(a, b, f32x4.ne(condition, f32x4.splat(0)));
}

export function where(out: usize, condition: usize, a: usize, b: usize, n: i32): void {
  const end = (n as usize) << 2;
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) {
    v128.store(out + i, select(v128.load(condition + i), v128.load(a + i), v128.load(b + i)));
  }
  const rest = n & 3;
  if (rest) storePart(out + i, select(loadPart(condition + i, rest), loadPart(a + i, rest), loadPart(b + i, rest)), rest);
}
