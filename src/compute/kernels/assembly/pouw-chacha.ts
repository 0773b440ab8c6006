// ChaCha20 (RFC 8439), four blocks at a time: lane i of every vector belongs to block counter + i.

// @ts-ignore: decorator
@inline
function rotl(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

// Loops of stores: memory.fill and memory.copy are calls into the C library, whose 512-bit instructions slow the core
// down for 20 microseconds after a pause; between tiles that cost 13 % of a mined product.
/** Clears `bytes` bytes, a multiple of 16. */
// @ts-ignore: decorator
@inline
export function clear(at: usize, bytes: usize): void {
  for (let x: usize = 0; x < bytes; x += 16) v128.store(at + x, i32x4.splat(0));
}
/** Copies `bytes` bytes, a multiple of 16. */
// @ts-ignore: decorator
@inline
export function copyTo(to: usize, from: usize, bytes: usize): void {
  for (let x: usize = 0; x < bytes; x += 16) v128.store(to + x, v128.load(from + x));
}

/** Lanes (a0 b0 a1 b1) of two vectors' low or high halves, and (a0 a1 b0 b1): the steps of a 4x4 transposition. */
// @ts-ignore: decorator
@inline
export function low32(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}
// @ts-ignore: decorator
@inline
export function high32(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}
// @ts-ignore: decorator
@inline
export function low64(a: v128, b: v128): v128 {
  return i64x2.shuffle(a, b, 0, 2);
}
// @ts-ignore: decorator
@inline
export function high64(a: v128, b: v128): v128 {
  return i64x2.shuffle(a, b, 1, 3);
}

/** Four words of four blocks, one vector per word, to out + 64*block. */
// @ts-ignore: decorator
@inline
function storeWords(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = low32(a, b);
  const cd = low32(c, d);
  const ef = high32(a, b);
  const gh = high32(c, d);
  v128.store(out, low64(ab, cd), 0);
  v128.store(out, high64(ab, cd), 64);
  v128.store(out, low64(ef, gh), 128);
  v128.store(out, high64(ef, gh), 192);
}

/** Blocks counter .. counter+3 of the keystream of an 8-word key; the nonce is `tag` and eleven zero bytes. */
function fourBlocks(out: usize, key: usize, tag: u32, counter: u32): void {
  const count = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  let a0 = i32x4.splat(0x61707865);
  let a1 = i32x4.splat(0x3320646e);
  let a2 = i32x4.splat(0x79622d32);
  let a3 = i32x4.splat(0x6b206574);
  let b0 = v128.load32_splat(key, 0);
  let b1 = v128.load32_splat(key, 4);
  let b2 = v128.load32_splat(key, 8);
  let b3 = v128.load32_splat(key, 12);
  let c0 = v128.load32_splat(key, 16);
  let c1 = v128.load32_splat(key, 20);
  let c2 = v128.load32_splat(key, 24);
  let c3 = v128.load32_splat(key, 28);
  let d0 = count;
  let d1 = i32x4.splat(tag);
  let d2 = i32x4.splat(0);
  let d3 = i32x4.splat(0);
  for (let round = 0; round < 10; round++) {
    // Columns.
    a0 = i32x4.add(a0, b0); a1 = i32x4.add(a1, b1); a2 = i32x4.add(a2, b2); a3 = i32x4.add(a3, b3);
    d0 = rotl(v128.xor(d0, a0), 16); d1 = rotl(v128.xor(d1, a1), 16);
    d2 = rotl(v128.xor(d2, a2), 16); d3 = rotl(v128.xor(d3, a3), 16);
    c0 = i32x4.add(c0, d0); c1 = i32x4.add(c1, d1); c2 = i32x4.add(c2, d2); c3 = i32x4.add(c3, d3);
    b0 = rotl(v128.xor(b0, c0), 12); b1 = rotl(v128.xor(b1, c1), 12);
    b2 = rotl(v128.xor(b2, c2), 12); b3 = rotl(v128.xor(b3, c3), 12);
    a0 = i32x4.add(a0, b0); a1 = i32x4.add(a1, b1); a2 = i32x4.add(a2, b2); a3 = i32x4.add(a3, b3);
    d0 = rotl(v128.xor(d0, a0), 8); d1 = rotl(v128.xor(d1, a1), 8);
    d2 = rotl(v128.xor(d2, a2), 8); d3 = rotl(v128.xor(d3, a3), 8);
    c0 = i32x4.add(c0, d0); c1 = i32x4.add(c1, d1); c2 = i32x4.add(c2, d2); c3 = i32x4.add(c3, d3);
    b0 = rotl(v128.xor(b0, c0), 7); b1 = rotl(v128.xor(b1, c1), 7);
    b2 = rotl(v128.xor(b2, c2), 7); b3 = rotl(v128.xor(b3, c3), 7);
    // Diagonals.
    a0 = i32x4.add(a0, b1); a1 = i32x4.add(a1, b2); a2 = i32x4.add(a2, b3); a3 = i32x4.add(a3, b0);
    d3 = rotl(v128.xor(d3, a0), 16); d0 = rotl(v128.xor(d0, a1), 16);
    d1 = rotl(v128.xor(d1, a2), 16); d2 = rotl(v128.xor(d2, a3), 16);
    c2 = i32x4.add(c2, d3); c3 = i32x4.add(c3, d0); c0 = i32x4.add(c0, d1); c1 = i32x4.add(c1, d2);
    b1 = rotl(v128.xor(b1, c2), 12); b2 = rotl(v128.xor(b2, c3), 12);
    b3 = rotl(v128.xor(b3, c0), 12); b0 = rotl(v128.xor(b0, c1), 12);
    a0 = i32x4.add(a0, b1); a1 = i32x4.add(a1, b2); a2 = i32x4.add(a2, b3); a3 = i32x4.add(a3, b0);
    d3 = rotl(v128.xor(d3, a0), 8); d0 = rotl(v128.xor(d0, a1), 8);
    d1 = rotl(v128.xor(d1, a2), 8); d2 = rotl(v128.xor(d2, a3), 8);
    c2 = i32x4.add(c2, d3); c3 = i32x4.add(c3, d0); c0 = i32x4.add(c0, d1); c1 = i32x4.add(c1, d2);
    b1 = rotl(v128.xor(b1, c2), 7); b2 = rotl(v128.xor(b2, c3), 7);
    b3 = rotl(v128.xor(b3, c0), 7); b0 = rotl(v128.xor(b0, c1), 7);
  }
  a0 = i32x4.add(a0, i32x4.splat(0x61707865));
  a1 = i32x4.add(a1, i32x4.splat(0x3320646e));
  a2 = i32x4.add(a2, i32x4.splat(0x79622d32));
  a3 = i32x4.add(a3, i32x4.splat(0x6b206574));
  storeWords(out, a0, a1, a2, a3);
  b0 = i32x4.add(b0, v128.load32_splat(key, 0));
  b1 = i32x4.add(b1, v128.load32_splat(key, 4));
  b2 = i32x4.add(b2, v128.load32_splat(key, 8));
  b3 = i32x4.add(b3, v128.load32_splat(key, 12));
  storeWords(out + 16, b0, b1, b2, b3);
  c0 = i32x4.add(c0, v128.load32_splat(key, 16));
  c1 = i32x4.add(c1, v128.load32_splat(key, 20));
  c2 = i32x4.add(c2, v128.load32_splat(key, 24));
  c3 = i32x4.add(c3, v128.load32_splat(key, 28));
  storeWords(out + 32, c0, c1, c2, c3);
  d0 = i32x4.add(d0, count);
  d1 = i32x4.add(d1, i32x4.splat(tag));
  storeWords(out + 48, d0, d1, d2, d3);
}

/** At least `bytes` bytes of KS(key, tag) from 64-byte block `first` on; writes whole groups of 256 bytes. */
export function pouwKeystream(out: usize, key: usize, tag: u32, first: u32, bytes: u32): void {
  for (let at: u32 = 0; at < bytes; at += 256) fourBlocks(out + at, key, tag, first + (at >> 6));
}
