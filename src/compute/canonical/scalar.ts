/**
 * # Scalar: the elementary functions of class i7 on one value, in plain JavaScript.
 *
 * Always true: every argument and result is an f32 value, and every `+ - * /` is followed by its own `f`
 * (Math.fround), so that each is exactly one IEEE single operation: f64 holds more than 2 * 24 + 2 bits, hence
 * rounding twice equals rounding once. Source: ENGINE.md sections 1, 3, 4.
 */

const f = Math.fround;
const view = new DataView(new ArrayBuffer(4));

/** The f32 value of 32 bits. */
export function ofBits(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** The bits of an f32 value. */
function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

const coefficients = (...bits: readonly number[]): readonly number[] => bits.map(ofBits);

const HALF = ofBits(0x3f000000);
/** 1.5 * 2^23: adding and subtracting it rounds to the nearest integer, ties to even. */
const MAGIC = 12_582_912;
const LOG2E = ofBits(0x3fb8aa3b);
const LN2_HIGH = ofBits(0x3f318000);
const LN2_LOW = ofBits(0xb95e8083);
const EXP = coefficients(0x39506967, 0x3ab743ce, 0x3c088908, 0x3d2aa9c1, 0x3e2aaaaa, 0x3f000000);
const SMALLEST_NORMAL = ofBits(0x00800000);
const TWO_24 = 16_777_216;
const ROOT_HALF = ofBits(0x3f3504f3);
const LOG = coefficients(
  ...[0x3d9021bb, 0xbdebd1b8, 0x3def251a, 0xbdfe5d4f, 0x3e11e9bf, 0xbe2aae50, 0x3e4cceac, 0xbe7ffffc, 0x3eaaaaaa],
);
const TANH_SMALL = ofBits(0x3f200000);
const TANH = coefficients(0xbbbaf0ea, 0x3ca9134e, 0xbd5c1e2d, 0x3e088393, 0xbeaaaa99);
const ERF_ABOVE = coefficients(0xaf95df0b, 0x32edffee, 0xb60cff51, 0xb86ec2d2, 0xba40ac63, 0xbb41a1f6, 0xbc83dbd4);
const ERF_BELOW = coefficients(0xb77460cd, 0xb95fbd29, 0xbadc924e, 0xbbf19bf8, 0xbc69b6a7);
const GELU_ROOT = ofBits(0x3f4c422a);
const GELU_CUBE = ofBits(0x3d372713);
const GELU_SLOPE = ofBits(0x3e095d4f);
const ERF_SLOPE = ofBits(0x3f906ebb);
const NORMAL_DENSITY = ofBits(0x3ecc422a);

/** c0, then p*x + c1, and so on: two roundings a step. */
function horner(coefficientsHighFirst: readonly number[], x: number): number {
  let p = coefficientsHighFirst[0] as number;
  for (let i = 1; i < coefficientsHighFirst.length; i++) p = f(f(p * x) + (coefficientsHighFirst[i] as number));
  return p;
}

/** The nearest integer, ties to even, for |x| <= 2^22. */
export function rne(x: number): number {
  return f(f(x + MAGIC) - MAGIC);
}

/** NaN if either is NaN; max(-0, +0) = +0. */
export function maximum(a: number, b: number): number {
  return Math.max(a, b);
}

/** NaN if either is NaN; min(-0, +0) = -0. */
export function minimum(a: number, b: number): number {
  return Math.min(a, b);
}

export function exp(x: number): number {
  if (x < -87) return 0;
  const z = minimum(maximum(x, -87), 87);
  const n = rne(f(z * LOG2E));
  let r = f(z - f(n * LN2_HIGH));
  r = f(r - f(n * LN2_LOW));
  const p = horner(EXP, r);
  const y = f(f(f(f(p * r) * r) + r) + 1);
  return Number.isNaN(y) ? y : f(y * ofBits((n + 127) << 23));
}

export function log(x: number): number {
  if (!(x > 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  const small = x < SMALLEST_NORMAL;
  const bits = bitsOf(small ? f(x * TWO_24) : x);
  let exponent = (small ? -24 : 0) + (bits >>> 23) - 126;
  let m = ofBits((bits & 0x007fffff) | 0x3f000000);
  if (m < ROOT_HALF) {
    exponent -= 1;
    m = f(m + m);
  }
  m = f(m - 1);
  const z = f(m * m);
  let y = f(f(horner(LOG, m) * m) * z);
  y = f(y + f(exponent * LN2_LOW));
  y = f(y - f(HALF * z));
  return f(f(m + y) + f(exponent * LN2_HIGH));
}

export function tanh(u: number): number {
  const a = Math.abs(u);
  if (a < TANH_SMALL) {
    const z = f(u * u);
    return f(f(f(horner(TANH, z) * z) * u) + u);
  }
  const t = f(1 - f(2 / f(exp(f(a + a)) + 1)));
  return u < 0 ? -t : t;
}

export function sigmoid(x: number): number {
  return f(1 / f(1 + exp(-x)));
}

export function erf(value: number): number {
  const x = minimum(maximum(value, -4), 4);
  const z = f(x * x);
  return f(f(x * horner(ERF_ABOVE, z)) / horner(ERF_BELOW, z));
}

/** sigmoid(u + u) of Gelu's u. */
function geluGate(x: number): number {
  const u = f(GELU_ROOT * f(x + f(GELU_CUBE * f(x * f(x * x)))));
  return sigmoid(f(u + u));
}

export function relu(x: number): number {
  return maximum(x, 0);
}
export function gelu(x: number): number {
  return f(x * geluGate(x));
}
export function geluErf(x: number): number {
  return f(f(HALF * x) * f(1 + erf(f(x * ROOT_HALF))));
}
export function silu(x: number): number {
  return f(x * sigmoid(x));
}
export function rsqrt(x: number): number {
  return f(1 / f(Math.sqrt(x)));
}

export function expGrad(x: number, dy: number): number {
  return f(dy * exp(x));
}
export function logGrad(x: number, dy: number): number {
  return f(dy / x);
}
export function tanhGrad(x: number, dy: number): number {
  const t = tanh(x);
  return f(dy * f(1 - f(t * t)));
}
export function sigmoidGrad(x: number, dy: number): number {
  const s = sigmoid(x);
  return f(dy * f(s * f(1 - s)));
}
export function erfGrad(x: number, dy: number): number {
  return f(dy * f(ERF_SLOPE * exp(-f(x * x))));
}
export function reluGrad(x: number, dy: number): number {
  return x > 0 ? dy : 0;
}
export function geluGrad(x: number, dy: number): number {
  const g = geluGate(x);
  const w = f(GELU_ROOT * f(1 + f(GELU_SLOPE * f(x * x))));
  return f(dy * f(g + f(f(f(x * g) * f(1 - g)) * f(w + w))));
}
export function geluErfGrad(x: number, dy: number): number {
  const t = f(x * ROOT_HALF);
  const density = f(NORMAL_DENSITY * exp(-f(t * t)));
  return f(dy * f(f(HALF * f(1 + erf(t))) + f(x * density)));
}
export function siluGrad(x: number, dy: number): number {
  const s = sigmoid(x);
  return f(dy * f(s * f(1 + f(x * f(1 - s)))));
}
