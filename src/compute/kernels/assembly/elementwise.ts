// Elementwise: operators of one or two tensors, a loop per operator.
import { exponentGradient, exponentUnary } from './exponent';
import { add, div, erf4, geluErf4, log4, mul, one, relu4, sub } from './lanes';
import { loadPart, storePart } from './memory';

// Operators as types, for the reason given in exponent.ts.
class Neg {}
class Abs {}
class Sqrt {}
class Log {}
class Erf {}
class Relu {}
class GeluErf {}
class Rsqrt {}
class LogGrad {}
class ReluGrad {}

// @ts-ignore: decorator
@inline
function unaryLane<F>(x: v128): v128 {
  if (idof<F>() == idof<Neg>()) return f32x4.neg(x);
  if (idof<F>() == idof<Abs>()) return f32x4.abs(x);
  if (idof<F>() == idof<Sqrt>()) return f32x4.sqrt(x);
  if (idof<F>() == idof<Log>()) return log4(x);
  if (idof<F>() == idof<Erf>()) return erf4(x);
  if (idof<F>() == idof<Relu>()) return relu4(x);
  if (idof<F>() == idof<GeluErf>()) return geluErf4(x);
  return div(one(), f32x4.sqrt(x));
}

function unaryLoop<F>(out: usize, x: usize, n: i32): void {
  const shift = out - x;
  const end = x + ((n as usize) << 2);
  for (const pairs = x + (((n & ~7) as usize) << 2); x < pairs; x += 32) {
    const first = unaryLane<F>(v128.load(x));
    const second = unaryLane<F>(v128.load(x, 16));
    v128.store(x + shift, first);
    v128.store(x + shift, second, 16);
  }
  for (; x + 16 <= end; x += 16) v128.store(x + shift, unaryLane<F>(v128.load(x)));
  const rest = n & 3;
  if (rest) storePart(x + shift, unaryLane<F>(loadPart(x, rest)), rest);
}

export function unary(op: i32, out: usize, x: usize, n: i32): void {
  switch (op) {
    case 0: return unaryLoop<Neg>(out, x, n);
    case 1: return unaryLoop<Abs>(out, x, n);
    case 2: return unaryLoop<Sqrt>(out, x, n);
    case 4: return unaryLoop<Log>(out, x, n);
    case 7: return unaryLoop<Erf>(out, x, n);
    case 8: return unaryLoop<Relu>(out, x, n);
    case 10: return unaryLoop<GeluErf>(out, x, n);
    case 12: return unaryLoop<Rsqrt>(out, x, n);
    default: return exponentUnary(op, out, x, n);
  }
}

// @ts-ignore: decorator
@inline
function gradientLane<F>(x: v128, dy: v128): v128 {
  if (idof<F>() == idof<LogGrad>()) return div(dy, x);
  return v128.and(dy, f32x4.gt(x, f32x4.splat(0)));
}

function gradientLoop<F>(dx: usize, x: usize, dy: usize, n: i32): void {
  const end = (n as usize) << 2;
  let i: usize = 0;
  for (; i + 16 <= end; i += 16) v128.store(dx + i, gradientLane<F>(v128.load(x + i), v128.load(dy + i)));
  const rest = n & 3;
  if (rest) storePart(dx + i, gradientLane<F>(loadPart(x + i, rest), loadPart(dy + i, rest)), rest);
}

export function gradient(op: i32, dx: usize, x: usize, dy: usize, n: i32): void {
  switch (op) {
    case 1: return gradientLoop<LogGrad>(dx, x, dy, n);
    case 5: return gradientLoop<ReluGrad>(dx, x, dy, n);
    default: return exponentGradient(op, dx, x, dy, n);
  }
}

// In the order of their codes.
class Add {}
class Sub {}
class Mul {}
class Div {}
class Max {}
class Min {}
class SubFrom {}
class DivInto {}
class Less {}
class LessOrEqual {}
class Greater {}
class GreaterOrEqual {}
class Equal {}

// @ts-ignore: decorator
@inline
function binaryLane<F>(a: v128, b: v128): v128 {
  if (idof<F>() == idof<Add>()) return add(a, b);
  if (idof<F>() == idof<Sub>()) return sub(a, b);
  if (idof<F>() == idof<Mul>()) return mul(a, b);
  if (idof<F>() == idof<Div>()) return div(a, b);
  if (idof<F>() == idof<Max>()) return f32x4.max(a, b);
  if (idof<F>() == idof<Min>()) return f32x4.min(a, b);
  if (idof<F>() == idof<SubFrom>()) return sub(b, a);
  if (idof<F>() == idof<DivInto>()) return div(b, a);
  if (idof<F>() == idof<Less>()) return v128.and(f32x4.lt(a, b), one());
  if (idof<F>() == idof<LessOrEqual>()) return v128.and(f32x4.le(a, b), one());
  if (idof<F>() == idof<Greater>()) return v128.and(f32x4.gt(a, b), one());
  if (idof<F>() == idof<GreaterOrEqual>()) return v128.and(f32x4.ge(a, b), one());
  return v128.and(f32x4.eq(a, b), one());
}

/** rows of cols: b moves along the row when `along`, else it is one value per row; bStep bytes between rows. */
function binaryLoop<F>(out: usize, a: usize, b: usize, rows: i32, cols: i32, along: bool, bStep: usize): void {
  const width = (cols as usize) << 2;
  const whole = ((cols & ~3) as usize) << 2;
  const rest = cols & 3;
  for (let row = 0; row < rows; row++) {
    if (along) {
      for (let i: usize = 0; i < whole; i += 16) {
        v128.store(out + i, binaryLane<F>(v128.load(a + i), v128.load(b + i)));
      }
      if (rest) storePart(out + whole, binaryLane<F>(loadPart(a + whole, rest), loadPart(b + whole, rest)), rest);
    } else {
      const value = v128.load32_splat(b);
      for (let i: usize = 0; i < whole; i += 16) v128.store(out + i, binaryLane<F>(v128.load(a + i), value));
      if (rest) storePart(out + whole, binaryLane<F>(loadPart(a + whole, rest), value), rest);
    }
    out += width;
    a += width;
    b += bStep;
  }
}

function binaryAny(op: i32, out: usize, a: usize, b: usize, rows: i32, cols: i32, along: bool, bStep: usize): void {
  switch (op) {
    case 0: return binaryLoop<Add>(out, a, b, rows, cols, along, bStep);
    case 1: return binaryLoop<Sub>(out, a, b, rows, cols, along, bStep);
    case 2: return binaryLoop<Mul>(out, a, b, rows, cols, along, bStep);
    case 3: return binaryLoop<Div>(out, a, b, rows, cols, along, bStep);
    case 4: return binaryLoop<Max>(out, a, b, rows, cols, along, bStep);
    case 5: return binaryLoop<Min>(out, a, b, rows, cols, along, bStep);
    case 6: return binaryLoop<SubFrom>(out, a, b, rows, cols, along, bStep);
    case 7: return binaryLoop<DivInto>(out, a, b, rows, cols, along, bStep);
    case 8: return binaryLoop<Less>(out, a, b, rows, cols, along, bStep);
    case 9: return binaryLoop<LessOrEqual>(out, a, b, rows, cols, along, bStep);
    case 10: return binaryLoop<Greater>(out, a, b, rows, cols, along, bStep);
    case 11: return binaryLoop<GreaterOrEqual>(out, a, b, rows, cols, along, bStep);
    default: return binaryLoop<Equal>(out, a, b, rows, cols, along, bStep);
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
  if (rest) {
    const chosen = select(loadPart(condition + i, rest), loadPart(a + i, rest), loadPart(b + i, rest));
    storePart(out + i, chosen, rest);
  }
}
