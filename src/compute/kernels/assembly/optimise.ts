// Optimise: AdamW and SGD of section 9, and the check for non-finite values of section 10.
import { add, div, mul, sub } from './lanes';
import { loadPart, storePart } from './memory';

// @ts-ignore: decorator
@inline
function moment(old: v128, fresh: v128, keep: v128, take: v128): v128 {
  return add(mul(keep, old), mul(take, fresh));
}

export function adamw(
  theta: usize, m: usize, v: usize, g: usize, n: i32,
  lr: f32, b1: f32, b2: f32, eps: f32, wd: f32, c1: f32, c2: f32,
): void {
  const rest = n & 3;
  const end = ((n & ~3) as usize) << 2;
  for (let i: usize = 0; i < end; i += 16) {
    const t4 = v128.load(theta + i);
    const g4 = v128.load(g + i);
    const m4 = moment(v128.load(m + i), g4, f32x4.splat(b1), f32x4.splat(1 - b1));
    const v4 = moment(v128.load(v + i), mul(g4, g4), f32x4.splat(b2), f32x4.splat(1 - b2));
    v128.store(m + i, m4);
    v128.store(v + i, v4);
    v128.store(theta + i, adamwLane(t4, m4, v4, lr, eps, wd, c1, c2));
  }
  if (rest) {
    const t4 = loadPart(theta + end, rest);
    const g4 = loadPart(g + end, rest);
    const m4 = moment(loadPart(m + end, rest), g4, f32x4.splat(b1), f32x4.splat(1 - b1));
    const v4 = moment(loadPart(v + end, rest), mul(g4, g4), f32x4.splat(b2), f32x4.splat(1 - b2));
    storePart(m + end, m4, rest);
    storePart(v + end, v4, rest);
    storePart(theta + end, adamwLane(t4, m4, v4, lr, eps, wd, c1, c2), rest);
  }
}

// @ts-ignore: decorator
@inline
function adamwLane(theta: v128, m: v128, v: v128, lr: f32, eps: f32, wd: f32, c1: f32, c2: f32): v128 {
  const root = add(f32x4.sqrt(mul(v, f32x4.splat(c2))), f32x4.splat(eps));
  const step = add(div(mul(m, f32x4.splat(c1)), root), mul(f32x4.splat(wd), theta));
  return sub(theta, mul(f32x4.splat(lr), step));
}

// @ts-ignore: decorator
@inline
function sgdLane(theta: v128, d: v128, m: v128, lr: f32, mu: f32, nesterov: bool): v128 {
  const step = nesterov ? add(d, mul(f32x4.splat(mu), m)) : m;
  return sub(theta, mul(f32x4.splat(lr), step));
}

export function sgd(theta: usize, m: usize, g: usize, n: i32, lr: f32, mu: f32, wd: f32, nesterov: i32): void {
  const zero = f32x4.splat(0);
  const rest = n & 3;
  const end = ((n & ~3) as usize) << 2;
  for (let i: usize = 0; i < end; i += 16) {
    const t4 = v128.load(theta + i);
    const d = add(v128.load(g + i), mul(f32x4.splat(wd), t4));
    const m4 = add(mul(f32x4.splat(mu), m ? v128.load(m + i) : zero), d);
    if (m) v128.store(m + i, m4);
    v128.store(theta + i, sgdLane(t4, d, m4, lr, mu, nesterov != 0));
  }
  if (rest) {
    const t4 = loadPart(theta + end, rest);
    const d = add(loadPart(g + end, rest), mul(f32x4.splat(wd), t4));
    const m4 = add(mul(f32x4.splat(mu), m ? loadPart(m + end, rest) : zero), d);
    if (m) storePart(m + end, m4, rest);
    storePart(theta + end, sgdLane(t4, d, m4, lr, mu, nesterov != 0), rest);
  }
}

export function nonFinite(x: usize, n: i32): i32 {
  const mask = i32x4.splat(0x7f800000);
  let seen = i32x4.splat(0);
  for (; n >= 4; n -= 4) {
    seen = v128.or(seen, i32x4.eq(v128.and(v128.load(x), mask), mask));
    x += 16;
  }
  if (n > 0) seen = v128.or(seen, i32x4.eq(v128.and(loadPart(x, n), mask), mask));
  return v128.any_true(seen) ? 1 : 0;
}
