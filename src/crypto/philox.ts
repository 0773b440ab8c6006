/** # Philox4x32-10: random bits as a function of key and counter (Salmon et al. 2011; docs/spec/engine.md, 7). */

const MULTIPLIER_A = 0xd2511f53;
const MULTIPLIER_C = 0xcd9e8d57;
const WEYL_X = 0x9e3779b9;
const WEYL_Y = 0xbb67ae85;
const ROUNDS = 10;

export type Block = readonly [number, number, number, number];

/** The four 32-bit words of one block. All numbers are unsigned 32-bit. */
export function philox4x32(key: readonly [number, number], counter: Block): [number, number, number, number] {
  let [x, y] = key;
  let [a, b, c, d] = counter;
  for (let round = 0; round < ROUNDS; round++) {
    const nextA = high(MULTIPLIER_C, c) ^ b ^ x;
    const nextC = high(MULTIPLIER_A, a) ^ d ^ y;
    b = Math.imul(MULTIPLIER_C, c);
    d = Math.imul(MULTIPLIER_A, a);
    a = nextA;
    c = nextC;
    x = (x + WEYL_X) >>> 0;
    y = (y + WEYL_Y) >>> 0;
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** The upper 32 bits of the 64-bit product, in halves of 16 bits so that every sum is exact. */
function high(m: number, n: number): number {
  const mh = m >>> 16;
  const ml = m & 0xffff;
  const nh = n >>> 16;
  const nl = n & 0xffff;
  const middle = ml * nh + ((ml * nl) >>> 16);
  const cross = mh * nl + (middle & 0xffff);
  return (mh * nh + Math.floor(middle / 0x1_0000) + Math.floor(cross / 0x1_0000)) | 0;
}
