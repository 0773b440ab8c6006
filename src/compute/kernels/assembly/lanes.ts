// Lanes: the elementary functions and activations of sections 3 and 4, four values at a time.
// Every + - * / below is one rounding, in exactly the brackets of the engine's page.
// Constants come from a table by load32_splat: as v128.const the compiler rebuilds them in every loop turn (measured:
// exp 5.0 against 3.7 ns per value).

// @ts-ignore: decorator
@inline
export function add(a: v128, b: v128): v128 {
  return f32x4.add(a, b);
}
// @ts-ignore: decorator
@inline
export function sub(a: v128, b: v128): v128 {
  return f32x4.sub(a, b);
}
// @ts-ignore: decorator
@inline
export function mul(a: v128, b: v128): v128 {
  return f32x4.mul(a, b);
}
// @ts-ignore: decorator
@inline
export function div(a: v128, b: v128): v128 {
  return f32x4.div(a, b);
}

const TABLE: usize = memory.data<u32>(
  [
    // 0: -87, 87, log2(e), 1.5 * 2^23, ln 2 high, ln 2 low, then exp's polynomial, ends with 0.5, 1
    0xc2ae0000, 0x42ae0000, 0x3fb8aa3b, 0x4b400000, 0x3f318000, 0xb95e8083, 0x39506967, 0x3ab743ce, 0x3c088908,
    0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000, 0x3f800000,
    // 13: smallest normal, 2^24, sqrt(1/2), then log's polynomial
    0x00800000, 0x4b800000, 0x3f3504f3, 0x3d9021bb, 0xbdebd1b8, 0x3def251a, 0xbdfe5d4f, 0x3e11e9bf, 0xbe2aae50,
    0x3e4cceac, 0xbe7ffffc, 0x3eaaaaaa,
    // 25: infinity, NaN
    0x7f800000, 0x7fc00000,
    // 27: 0.625, tanh's polynomial
    0x3f200000, 0xbbbaf0ea, 0x3ca9134e, 0xbd5c1e2d, 0x3e088393, 0xbeaaaa99,
    // 33: -4, 4, erf's numerator, denominator
    0xc0800000, 0x40800000, 0xaf95df0b, 0x32edffee, 0xb60cff51, 0xb86ec2d2, 0xba40ac63, 0xbb41a1f6, 0xbc83dbd4,
    0xb77460cd, 0xb95fbd29, 0xbadc924e, 0xbbf19bf8, 0xbc69b6a7,
    // 47: sqrt(2/pi), 0.044715, 3 * 0.044715, 2/sqrt(pi), 1/sqrt(2 pi)
    0x3f4c422a, 0x3d372713, 0x3e095d4f, 0x3f906ebb, 0x3ecc422a,
  ],
  16,
);
export const LOWER = 0;
export const UPPER = 1;
export const LOG2E = 2;
export const MAGIC = 3;
export const LN2_HIGH = 4;
export const LN2_LOW = 5;
export const EXP = 6;
const HALF = 11;
export const ONE = 12;
const NORMAL = 13;
const TWO24 = 14;
const ROOT_HALF = 15;
const LOG = 16;
const INFINITE = 25;
const NOT_A_NUMBER = 26;
const TANH_SMALL = 27;
const TANH = 28;
const MINUS4 = 33;
const PLUS4 = 34;
const ERF_ABOVE = 35;
const ERF_BELOW = 42;
const GELU_ROOT = 47;
const GELU_CUBE = 48;
const GELU_SLOPE = 49;
const ERF_SLOPE = 50;
const NORMAL_DENSITY = 51;

// @ts-ignore: decorator
@inline
export function constant(index: i32): v128 {
  return v128.load32_splat(TABLE + 4 * index);
}
// @ts-ignore: decorator
@inline
export function one(): v128 {
  return constant(ONE);
}
// @ts-ignore: decorator
@inline
export function magic(): v128 {
  return constant(MAGIC);
}
// @ts-ignore: decorator
@inline
function horner(p: v128, x: v128, index: i32): v128 {
  return add(mul(p, x), constant(index));
}

/** exp(x). pmax and pmin return their first operand when it is NaN, so NaN passes through the clamp. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const lower = constant(LOWER);
  const z = f32x4.pmin(f32x4.pmax(x, lower), constant(UPPER));
  // rne by the magic number 1.5 * 2^23: the low bits of the sum are n itself, and 0x4b400000 << 23 is 0.
  const t = add(mul(z, constant(LOG2E)), constant(MAGIC));
  const n = sub(t, constant(MAGIC));
  let r = sub(z, mul(n, constant(LN2_HIGH)));
  r = sub(r, mul(n, constant(LN2_LOW)));
  let p = constant(EXP);
  p = horner(p, r, EXP + 1);
  p = horner(p, r, EXP + 2);
  p = horner(p, r, EXP + 3);
  p = horner(p, r, EXP + 4);
  p = horner(p, r, EXP + 5);
  const y = add(add(mul(mul(p, r), r), r), constant(ONE));
  const power = i32x4.add(i32x4.shl(t, 23), constant(ONE));
  return v128.andnot(mul(y, power), f32x4.lt(x, lower));
}

/** log(x): NaN unless x > 0, and +infinity of itself. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  const small = f32x4.lt(x, constant(NORMAL));
  const scaled = v128.bitselect(mul(x, constant(TWO24)), x, small);
  const start = v128.and(i32x4.splat(-24), small);
  const exponent = i32x4.sub(i32x4.add(start, i32x4.shr_u(scaled, 23)), i32x4.splat(126));
  let m = v128.or(v128.and(scaled, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000));
  const low = f32x4.lt(m, constant(ROOT_HALF));
  const e = f32x4.convert_i32x4_s(i32x4.add(exponent, low));
  m = sub(add(m, v128.and(m, low)), constant(ONE));
  const z = mul(m, m);
  let p = constant(LOG);
  p = horner(p, m, LOG + 1);
  p = horner(p, m, LOG + 2);
  p = horner(p, m, LOG + 3);
  p = horner(p, m, LOG + 4);
  p = horner(p, m, LOG + 5);
  p = horner(p, m, LOG + 6);
  p = horner(p, m, LOG + 7);
  p = horner(p, m, LOG + 8);
  let y = mul(mul(p, m), z);
  y = add(y, mul(e, constant(LN2_LOW)));
  y = sub(y, mul(constant(HALF), z));
  y = add(add(m, y), mul(e, constant(LN2_HIGH)));
  y = v128.bitselect(x, y, f32x4.eq(x, constant(INFINITE)));
  return v128.bitselect(y, constant(NOT_A_NUMBER), f32x4.gt(x, f32x4.splat(0)));
}

/** erf(x): a rational function of the clamped x. */
// @ts-ignore: decorator
@inline
export function erf4(v: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(v, constant(MINUS4)), constant(PLUS4));
  const z = mul(x, x);
  let above = constant(ERF_ABOVE);
  above = horner(above, z, ERF_ABOVE + 1);
  above = horner(above, z, ERF_ABOVE + 2);
  above = horner(above, z, ERF_ABOVE + 3);
  above = horner(above, z, ERF_ABOVE + 4);
  above = horner(above, z, ERF_ABOVE + 5);
  above = horner(above, z, ERF_ABOVE + 6);
  let below = constant(ERF_BELOW);
  below = horner(below, z, ERF_BELOW + 1);
  below = horner(below, z, ERF_BELOW + 2);
  below = horner(below, z, ERF_BELOW + 3);
  below = horner(below, z, ERF_BELOW + 4);
  return div(mul(x, above), below);
}

/** max(x, +0). pmax keeps NaN and may keep -0; adding +0 makes that +0. */
// @ts-ignore: decorator
@inline
export function relu4(x: v128): v128 {
  return add(f32x4.pmax(x, f32x4.splat(0)), f32x4.splat(0));
}
// @ts-ignore: decorator
@inline
export function geluErf4(x: v128): v128 {
  return mul(mul(constant(HALF), x), add(constant(ONE), erf4(mul(x, constant(ROOT_HALF)))));
}

// Functions that hold an exp come in two halves: exp's argument from x, and the value from x and e = exp(argument).

/** 1 / (1 + e): sigmoid(x) of e = exp(-x). */
// @ts-ignore: decorator
@inline
function gate4(e: v128): v128 {
  return div(constant(ONE), add(constant(ONE), e));
}

/** The argument of tanh's exp. */
// @ts-ignore: decorator
@inline
export function tanhArgument4(u: v128): v128 {
  const a = f32x4.abs(u);
  return add(a, a);
}
// @ts-ignore: decorator
@inline
export function tanhOf4(u: v128, e: v128): v128 {
  const z = mul(u, u);
  let p = constant(TANH);
  p = horner(p, z, TANH + 1);
  p = horner(p, z, TANH + 2);
  p = horner(p, z, TANH + 3);
  p = horner(p, z, TANH + 4);
  const near = add(mul(mul(p, z), u), u);
  const t = sub(constant(ONE), div(f32x4.splat(2), add(e, constant(ONE))));
  const far = v128.bitselect(u, t, i32x4.splat(0x80000000));
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(u), constant(TANH_SMALL)));
}
// @ts-ignore: decorator
@inline
export function tanhGradOf4(x: v128, e: v128, dy: v128): v128 {
  const t = tanhOf4(x, e);
  return mul(dy, sub(constant(ONE), mul(t, t)));
}

/** The argument of sigmoid's and Silu's exp. */
// @ts-ignore: decorator
@inline
export function sigmoidArgument4(x: v128): v128 {
  return f32x4.neg(x);
}
// @ts-ignore: decorator
@inline
export function sigmoidOf4(e: v128): v128 {
  return gate4(e);
}
// @ts-ignore: decorator
@inline
export function sigmoidGradOf4(e: v128, dy: v128): v128 {
  const s = gate4(e);
  return mul(dy, mul(s, sub(constant(ONE), s)));
}
// @ts-ignore: decorator
@inline
export function siluOf4(x: v128, e: v128): v128 {
  return mul(x, gate4(e));
}
// @ts-ignore: decorator
@inline
export function siluGradOf4(x: v128, e: v128, dy: v128): v128 {
  const s = gate4(e);
  return mul(dy, mul(s, add(constant(ONE), mul(x, sub(constant(ONE), s)))));
}

/** -(u + u) of Gelu's u. */
// @ts-ignore: decorator
@inline
export function geluArgument4(x: v128): v128 {
  const cube = mul(constant(GELU_CUBE), mul(x, mul(x, x)));
  const u = mul(constant(GELU_ROOT), add(x, cube));
  return f32x4.neg(add(u, u));
}
// @ts-ignore: decorator
@inline
export function geluOf4(x: v128, e: v128): v128 {
  return mul(x, gate4(e));
}
// @ts-ignore: decorator
@inline
export function geluGradOf4(x: v128, e: v128, dy: v128): v128 {
  const g = gate4(e);
  const w = mul(constant(GELU_ROOT), add(constant(ONE), mul(constant(GELU_SLOPE), mul(x, x))));
  return mul(dy, add(g, mul(mul(mul(x, g), sub(constant(ONE), g)), add(w, w))));
}

/** -(x*x). */
// @ts-ignore: decorator
@inline
export function erfGradArgument4(x: v128): v128 {
  return f32x4.neg(mul(x, x));
}
// @ts-ignore: decorator
@inline
export function erfGradOf4(e: v128, dy: v128): v128 {
  return mul(dy, mul(constant(ERF_SLOPE), e));
}
// @ts-ignore: decorator
@inline
export function geluErfGradArgument4(x: v128): v128 {
  return erfGradArgument4(mul(x, constant(ROOT_HALF)));
}
// @ts-ignore: decorator
@inline
export function geluErfGradOf4(x: v128, e: v128, dy: v128): v128 {
  const density = mul(constant(NORMAL_DENSITY), e);
  const share = mul(constant(HALF), add(constant(ONE), erf4(mul(x, constant(ROOT_HALF)))));
  return mul(dy, add(share, mul(x, density)));
}
