// Exponent: functions that hold one exp, sixteen values at a time. Four chains run in lockstep: one after the other
// they wait for their own latency, since the reorder window holds fewer than three (measured: exp 2.0 against 2.7 ns
// per value, Gelu 2.9 against 4.5).
import {
  add,
  constant,
  erfGradArgument4,
  erfGradOf4,
  EXP,
  exp4,
  geluArgument4,
  geluErfGradArgument4,
  geluErfGradOf4,
  geluGradOf4,
  geluOf4,
  LN2_HIGH,
  LN2_LOW,
  LOG2E,
  LOWER,
  MAGIC,
  mul,
  ONE,
  one,
  sigmoidArgument4,
  sigmoidGradOf4,
  sigmoidOf4,
  siluGradOf4,
  siluOf4,
  sub,
  tanhArgument4,
  tanhGradOf4,
  tanhOf4,
  UPPER,
} from './lanes';
import { loadPart, storePart } from './memory';

// Which function: a type, because the compiler keeps constants of inlined calls in variables and may then merge the
// loops of several functions into one that asks in every turn (measured: Gelu 1.7 against 1.5 ms).
class Exp {}
class Tanh {}
class Sigmoid {}
class Gelu {}
class Silu {}
class Shifted {} // exp(x - s)
class ExpGrad {}
class TanhGrad {}
class SigmoidGrad {}
class ErfGrad {}
class GeluGrad {}
class GeluErfGrad {}
class SiluGrad {}

/** Whether the function also reads dy. */
// @ts-ignore: decorator
@inline
function isGradient<F>(): bool {
  return (
    idof<F>() == idof<ExpGrad>() || idof<F>() == idof<TanhGrad>() || idof<F>() == idof<SigmoidGrad>() ||
    idof<F>() == idof<ErfGrad>() || idof<F>() == idof<GeluGrad>() || idof<F>() == idof<GeluErfGrad>() ||
    idof<F>() == idof<SiluGrad>()
  );
}

/** What exp is taken of. s is the shift of exp(x - s). */
// @ts-ignore: decorator
@inline
function argument<F>(x: v128, s: v128): v128 {
  if (idof<F>() == idof<Exp>() || idof<F>() == idof<ExpGrad>()) return x;
  if (idof<F>() == idof<Shifted>()) return sub(x, s);
  if (idof<F>() == idof<Tanh>() || idof<F>() == idof<TanhGrad>()) return tanhArgument4(x);
  if (idof<F>() == idof<Gelu>() || idof<F>() == idof<GeluGrad>()) return geluArgument4(x);
  if (idof<F>() == idof<ErfGrad>()) return erfGradArgument4(x);
  if (idof<F>() == idof<GeluErfGrad>()) return geluErfGradArgument4(x);
  return sigmoidArgument4(x);
}

/** The value from x, e = exp(argument) and, for a gradient, dy. */
// @ts-ignore: decorator
@inline
function value<F>(x: v128, e: v128, dy: v128): v128 {
  if (idof<F>() == idof<Exp>() || idof<F>() == idof<Shifted>()) return e;
  if (idof<F>() == idof<Tanh>()) return tanhOf4(x, e);
  if (idof<F>() == idof<Sigmoid>()) return sigmoidOf4(e);
  if (idof<F>() == idof<Gelu>()) return geluOf4(x, e);
  if (idof<F>() == idof<Silu>()) return siluOf4(x, e);
  if (idof<F>() == idof<ExpGrad>()) return mul(dy, e);
  if (idof<F>() == idof<TanhGrad>()) return tanhGradOf4(x, e, dy);
  if (idof<F>() == idof<SigmoidGrad>()) return sigmoidGradOf4(e, dy);
  if (idof<F>() == idof<ErfGrad>()) return erfGradOf4(e, dy);
  if (idof<F>() == idof<GeluGrad>()) return geluGradOf4(x, e, dy);
  if (idof<F>() == idof<GeluErfGrad>()) return geluErfGradOf4(x, e, dy);
  return siluGradOf4(x, e, dy);
}

// @ts-ignore: decorator
@inline
function slope<F>(dy: usize): v128 {
  if (isGradient<F>()) return v128.load(dy);
  return one();
}

/** exp of lanes.ts on four vectors side by side; x is read again at the end rather than kept. */
// @ts-ignore: decorator
@inline
function sixteen<F>(out: usize, x: usize, dy: usize, s: v128): void {
  const lower = constant(LOWER);
  const a0 = argument<F>(v128.load(x), s);
  const a1 = argument<F>(v128.load(x, 16), s);
  const a2 = argument<F>(v128.load(x, 32), s);
  const a3 = argument<F>(v128.load(x, 48), s);
  const upper = constant(UPPER);
  let r0 = f32x4.pmin(f32x4.pmax(a0, lower), upper);
  let r1 = f32x4.pmin(f32x4.pmax(a1, lower), upper);
  let r2 = f32x4.pmin(f32x4.pmax(a2, lower), upper);
  let r3 = f32x4.pmin(f32x4.pmax(a3, lower), upper);
  const log2e = constant(LOG2E);
  const magic = constant(MAGIC);
  const t0 = add(mul(r0, log2e), magic);
  const t1 = add(mul(r1, log2e), magic);
  const t2 = add(mul(r2, log2e), magic);
  const t3 = add(mul(r3, log2e), magic);
  let c = constant(LN2_HIGH);
  const n0 = sub(t0, magic);
  const n1 = sub(t1, magic);
  const n2 = sub(t2, magic);
  const n3 = sub(t3, magic);
  r0 = sub(r0, mul(n0, c));
  r1 = sub(r1, mul(n1, c));
  r2 = sub(r2, mul(n2, c));
  r3 = sub(r3, mul(n3, c));
  c = constant(LN2_LOW);
  r0 = sub(r0, mul(n0, c));
  r1 = sub(r1, mul(n1, c));
  r2 = sub(r2, mul(n2, c));
  r3 = sub(r3, mul(n3, c));
  c = constant(EXP);
  const next = constant(EXP + 1);
  let p0 = add(mul(c, r0), next);
  let p1 = add(mul(c, r1), next);
  let p2 = add(mul(c, r2), next);
  let p3 = add(mul(c, r3), next);
  c = constant(EXP + 2);
  p0 = add(mul(p0, r0), c);
  p1 = add(mul(p1, r1), c);
  p2 = add(mul(p2, r2), c);
  p3 = add(mul(p3, r3), c);
  c = constant(EXP + 3);
  p0 = add(mul(p0, r0), c);
  p1 = add(mul(p1, r1), c);
  p2 = add(mul(p2, r2), c);
  p3 = add(mul(p3, r3), c);
  c = constant(EXP + 4);
  p0 = add(mul(p0, r0), c);
  p1 = add(mul(p1, r1), c);
  p2 = add(mul(p2, r2), c);
  p3 = add(mul(p3, r3), c);
  c = constant(EXP + 5);
  p0 = add(mul(p0, r0), c);
  p1 = add(mul(p1, r1), c);
  p2 = add(mul(p2, r2), c);
  p3 = add(mul(p3, r3), c);
  const unit = constant(ONE);
  p0 = add(add(mul(mul(p0, r0), r0), r0), unit);
  p1 = add(add(mul(mul(p1, r1), r1), r1), unit);
  p2 = add(add(mul(mul(p2, r2), r2), r2), unit);
  p3 = add(add(mul(mul(p3, r3), r3), r3), unit);
  p0 = mul(p0, i32x4.add(i32x4.shl(t0, 23), unit));
  p1 = mul(p1, i32x4.add(i32x4.shl(t1, 23), unit));
  p2 = mul(p2, i32x4.add(i32x4.shl(t2, 23), unit));
  p3 = mul(p3, i32x4.add(i32x4.shl(t3, 23), unit));
  p0 = v128.andnot(p0, f32x4.lt(a0, lower));
  p1 = v128.andnot(p1, f32x4.lt(a1, lower));
  p2 = v128.andnot(p2, f32x4.lt(a2, lower));
  p3 = v128.andnot(p3, f32x4.lt(a3, lower));
  const y0 = value<F>(v128.load(x), p0, slope<F>(dy));
  const y1 = value<F>(v128.load(x, 16), p1, slope<F>(dy + 16));
  const y2 = value<F>(v128.load(x, 32), p2, slope<F>(dy + 32));
  const y3 = value<F>(v128.load(x, 48), p3, slope<F>(dy + 48));
  v128.store(out, y0);
  v128.store(out, y1, 16);
  v128.store(out, y2, 32);
  v128.store(out, y3, 48);
}

// @ts-ignore: decorator
@inline
function run<F>(out: usize, x: usize, dy: usize, s: v128, n: i32): void {
  for (; n >= 16; n -= 16) {
    sixteen<F>(out, x, dy, s);
    out += 64;
    x += 64;
    dy += 64;
  }
  for (; n >= 4; n -= 4) {
    const v = v128.load(x);
    v128.store(out, value<F>(v, exp4(argument<F>(v, s)), slope<F>(dy)));
    out += 16;
    x += 16;
    dy += 16;
  }
  if (n > 0) {
    const v = loadPart(x, n);
    let d = one();
    if (isGradient<F>()) d = loadPart(dy, n);
    storePart(out, value<F>(v, exp4(argument<F>(v, s)), d), n);
  }
}

/** exp, tanh, sigmoid, Gelu and Silu by their codes in `unary`. */
export function exponentUnary(op: i32, out: usize, x: usize, n: i32): void {
  if (op == 3) run<Exp>(out, x, 0, one(), n);
  else if (op == 5) run<Tanh>(out, x, 0, one(), n);
  else if (op == 6) run<Sigmoid>(out, x, 0, one(), n);
  else if (op == 9) run<Gelu>(out, x, 0, one(), n);
  else run<Silu>(out, x, 0, one(), n);
}

/** Their gradients, and those of erf and GeluErf, by their codes in `gradient`. */
export function exponentGradient(op: i32, dx: usize, x: usize, dy: usize, n: i32): void {
  if (op == 0) run<ExpGrad>(dx, x, dy, one(), n);
  else if (op == 2) run<TanhGrad>(dx, x, dy, one(), n);
  else if (op == 3) run<SigmoidGrad>(dx, x, dy, one(), n);
  else if (op == 4) run<ErfGrad>(dx, x, dy, one(), n);
  else if (op == 6) run<GeluGrad>(dx, x, dy, one(), n);
  else if (op == 7) run<GeluErfGrad>(dx, x, dy, one(), n);
  else run<SiluGrad>(dx, x, dy, one(), n);
}

/** out[i] = exp(x[i] - most). */
export function exponentShifted(out: usize, x: usize, most: f32, n: i32): void {
  run<Shifted>(out, x, 0, f32x4.splat(most), n);
}
