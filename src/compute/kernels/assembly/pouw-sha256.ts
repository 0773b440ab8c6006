// SHA-256 (FIPS 180-4), four messages at a time: lane i of every vector belongs to message i.
// On a machine without SHA instructions this is two to three times as fast as a native hash of one message after the
// other, and a mined step hashes 12 MB of operands.

import { clear, copyTo, high32, high64, low32, low64 } from './pouw-chacha';

const ROUND_CONSTANTS = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
/** The last 16 words of the schedule, one vector each. */
const schedule = memory.data(256, 16);
/** Chaining values, one vector per word. */
const chain = memory.data(128, 16);
/** Four inner nodes as padded messages of 128 bytes. */
const nodes = memory.data(512, 16);

// @ts-ignore: decorator
@inline
function rotr(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits));
}

// @ts-ignore: decorator
@inline
function bigEndian(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** h + Sigma1(e) + Ch(e, f, g) + w. */
// @ts-ignore: decorator
@inline
function first(e: v128, f: v128, g: v128, h: v128, w: v128): v128 {
  const sigma = v128.xor(v128.xor(rotr(e, 6), rotr(e, 11)), rotr(e, 25));
  const choice = v128.xor(g, v128.and(e, v128.xor(f, g)));
  return i32x4.add(i32x4.add(i32x4.add(h, w), choice), sigma);
}

/** t + Sigma0(a) + Maj(a, b, c). */
// @ts-ignore: decorator
@inline
function second(t: v128, a: v128, b: v128, c: v128): v128 {
  const sigma = v128.xor(v128.xor(rotr(a, 2), rotr(a, 13)), rotr(a, 22));
  const majority = v128.or(v128.and(a, b), v128.and(c, v128.or(a, b)));
  return i32x4.add(i32x4.add(t, majority), sigma);
}

/** Word i of the message plus its round constant. */
// @ts-ignore: decorator
@inline
function early(i: usize): v128 {
  return i32x4.add(v128.load(schedule + (i << 4)), v128.load32_splat(ROUND_CONSTANTS + (i << 2)));
}

/** The next word of the schedule in slot i, stored, plus its round constant (from `constants`). */
// @ts-ignore: decorator
@inline
function later(i: usize, constants: usize): v128 {
  const w1 = v128.load(schedule + (((i + 1) & 15) << 4));
  const w14 = v128.load(schedule + (((i + 14) & 15) << 4));
  const s0 = v128.xor(v128.xor(rotr(w1, 7), rotr(w1, 18)), i32x4.shr_u(w1, 3));
  const s1 = v128.xor(v128.xor(rotr(w14, 17), rotr(w14, 19)), i32x4.shr_u(w14, 10));
  const sum = i32x4.add(v128.load(schedule + (i << 4)), v128.load(schedule + (((i + 9) & 15) << 4)));
  const w = i32x4.add(i32x4.add(sum, s0), s1);
  v128.store(schedule + (i << 4), w);
  return i32x4.add(w, v128.load32_splat(constants + (i << 2)));
}

/** 64 bytes of each message into the schedule. */
// @ts-ignore: decorator
@inline
function loadBlock(p0: usize, p1: usize, p2: usize, p3: usize): void {
  for (let at: usize = 0; at < 64; at += 16) {
    const a = bigEndian(v128.load(p0 + at));
    const b = bigEndian(v128.load(p1 + at));
    const c = bigEndian(v128.load(p2 + at));
    const d = bigEndian(v128.load(p3 + at));
    const ab = low32(a, b);
    const cd = low32(c, d);
    const ef = high32(a, b);
    const gh = high32(c, d);
    const words = schedule + (at << 2);
    v128.store(words, low64(ab, cd), 0);
    v128.store(words, high64(ab, cd), 16);
    v128.store(words, low64(ef, gh), 32);
    v128.store(words, high64(ef, gh), 48);
  }
}

/** One compression of the four chaining values. */
function compress(): void {
  let a = v128.load(chain, 0);
  let b = v128.load(chain, 16);
  let c = v128.load(chain, 32);
  let d = v128.load(chain, 48);
  let e = v128.load(chain, 64);
  let f = v128.load(chain, 80);
  let g = v128.load(chain, 96);
  let h = v128.load(chain, 112);
  let t: v128;
  for (let i: usize = 0; i < 16; i += 8) {
    t = first(e, f, g, h, early(i)); d = i32x4.add(d, t); h = second(t, a, b, c);
    t = first(d, e, f, g, early(i + 1)); c = i32x4.add(c, t); g = second(t, h, a, b);
    t = first(c, d, e, f, early(i + 2)); b = i32x4.add(b, t); f = second(t, g, h, a);
    t = first(b, c, d, e, early(i + 3)); a = i32x4.add(a, t); e = second(t, f, g, h);
    t = first(a, b, c, d, early(i + 4)); h = i32x4.add(h, t); d = second(t, e, f, g);
    t = first(h, a, b, c, early(i + 5)); g = i32x4.add(g, t); c = second(t, d, e, f);
    t = first(g, h, a, b, early(i + 6)); f = i32x4.add(f, t); b = second(t, c, d, e);
    t = first(f, g, h, a, early(i + 7)); e = i32x4.add(e, t); a = second(t, b, c, d);
  }
  for (let k = ROUND_CONSTANTS + 64; k < ROUND_CONSTANTS + 256; k += 64) {
    t = first(e, f, g, h, later(0, k)); d = i32x4.add(d, t); h = second(t, a, b, c);
    t = first(d, e, f, g, later(1, k)); c = i32x4.add(c, t); g = second(t, h, a, b);
    t = first(c, d, e, f, later(2, k)); b = i32x4.add(b, t); f = second(t, g, h, a);
    t = first(b, c, d, e, later(3, k)); a = i32x4.add(a, t); e = second(t, f, g, h);
    t = first(a, b, c, d, later(4, k)); h = i32x4.add(h, t); d = second(t, e, f, g);
    t = first(h, a, b, c, later(5, k)); g = i32x4.add(g, t); c = second(t, d, e, f);
    t = first(g, h, a, b, later(6, k)); f = i32x4.add(f, t); b = second(t, c, d, e);
    t = first(f, g, h, a, later(7, k)); e = i32x4.add(e, t); a = second(t, b, c, d);
    t = first(e, f, g, h, later(8, k)); d = i32x4.add(d, t); h = second(t, a, b, c);
    t = first(d, e, f, g, later(9, k)); c = i32x4.add(c, t); g = second(t, h, a, b);
    t = first(c, d, e, f, later(10, k)); b = i32x4.add(b, t); f = second(t, g, h, a);
    t = first(b, c, d, e, later(11, k)); a = i32x4.add(a, t); e = second(t, f, g, h);
    t = first(a, b, c, d, later(12, k)); h = i32x4.add(h, t); d = second(t, e, f, g);
    t = first(h, a, b, c, later(13, k)); g = i32x4.add(g, t); c = second(t, d, e, f);
    t = first(g, h, a, b, later(14, k)); f = i32x4.add(f, t); b = second(t, c, d, e);
    t = first(f, g, h, a, later(15, k)); e = i32x4.add(e, t); a = second(t, b, c, d);
  }
  v128.store(chain, i32x4.add(a, v128.load(chain, 0)), 0);
  v128.store(chain, i32x4.add(b, v128.load(chain, 16)), 16);
  v128.store(chain, i32x4.add(c, v128.load(chain, 32)), 32);
  v128.store(chain, i32x4.add(d, v128.load(chain, 48)), 48);
  v128.store(chain, i32x4.add(e, v128.load(chain, 64)), 64);
  v128.store(chain, i32x4.add(f, v128.load(chain, 80)), 80);
  v128.store(chain, i32x4.add(g, v128.load(chain, 96)), 96);
  v128.store(chain, i32x4.add(h, v128.load(chain, 112)), 112);
}

function startChain(): void {
  v128.store(chain, i32x4.splat(0x6a09e667), 0);
  v128.store(chain, i32x4.splat(0xbb67ae85), 16);
  v128.store(chain, i32x4.splat(0x3c6ef372), 32);
  v128.store(chain, i32x4.splat(0xa54ff53a), 48);
  v128.store(chain, i32x4.splat(0x510e527f), 64);
  v128.store(chain, i32x4.splat(0x9b05688c), 80);
  v128.store(chain, i32x4.splat(0x1f83d9ab), 96);
  v128.store(chain, i32x4.splat(0x5be0cd19), 112);
}

/** The digests of the four chains to out, 32 bytes each; `count` of them. */
function storeDigests(out: usize, count: u32): void {
  for (let lane: u32 = 0; lane < count; lane++) {
    for (let word: u32 = 0; word < 8; word++) {
      store<u32>(out + lane * 32 + word * 4, bswap(load<u32>(chain + word * 16 + lane * 4)));
    }
  }
}

/** Hashes of `count` padded messages of `blocks` blocks, `stride` bytes apart, to out (32 bytes each). */
export function pouwHashes(out: usize, messages: usize, stride: u32, count: u32, blocks: u32): void {
  for (let from: u32 = 0; from < count; from += 4) {
    // The last group repeats its last message in the idle lanes.
    const lanes = min<u32>(4, count - from);
    let p0 = messages + from * stride;
    let p1 = p0 + min<u32>(1, lanes - 1) * stride;
    let p2 = p0 + min<u32>(2, lanes - 1) * stride;
    let p3 = p0 + min<u32>(3, lanes - 1) * stride;
    startChain();
    for (let block: u32 = 0; block < blocks; block++) {
      loadBlock(p0, p1, p2, p3);
      compress();
      p0 += 64;
      p1 += 64;
      p2 += 64;
      p3 += 64;
    }
    storeDigests(out + from * 32, lanes);
  }
}

/** Replaces `count` leaf hashes by the inner nodes above them, level by level, until the root stands at `hashes`. */
export function pouwRoot(hashes: usize, count: u32): void {
  while (count > 1) {
    const pairs = count >> 1;
    for (let from: u32 = 0; from < pairs; from += 4) {
      const lanes = min<u32>(4, pairs - from);
      for (let lane: u32 = 0; lane < lanes; lane++) {
        const node = nodes + lane * 128;
        clear(node, 128);
        store<u8>(node, 1);
        copyTo(node + 1, hashes + (from + lane) * 64, 64);
        store<u8>(node + 65, 0x80);
        // 65 bytes are 520 bits.
        store<u8>(node + 126, 2);
        store<u8>(node + 127, 8);
      }
      pouwHashes(hashes + from * 32, nodes, 128, lanes, 2);
    }
    if (count & 1) copyTo(hashes + pairs * 32, hashes + (count - 1) * 32, 32);
    count = pairs + (count & 1);
  }
}
