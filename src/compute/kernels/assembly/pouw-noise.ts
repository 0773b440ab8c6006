// Panels and noise: operands cut into leaves, and the same panels noised, widened and packed for the product.

import { clear, pouwKeystream } from './pouw-chacha';

/** Sums of the sparse factor over one part of k, [rank][16 lines] i16: at most 256 ranks. */
const gathered = memory.data(8192, 16);
/** Entries per rank in one part, of E_R and of F_L. */
const entriesA = memory.data(512, 16);
const entriesB = memory.data(512, 16);

// @ts-ignore: decorator
@inline
function low8(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
// @ts-ignore: decorator
@inline
function high8(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
// @ts-ignore: decorator
@inline
function low16(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
// @ts-ignore: decorator
@inline
function high16(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** 16 lines of `length` bytes (a multiple of 16), `stride` apart, to out[z][16]. */
function transposeLines(out: usize, lines: usize, stride: u32, length: u32): void {
  for (let z: u32 = 0; z < length; z += 16) {
    const p = lines + z;
    const p8 = p + 8 * stride;
    // Four rounds of the perfect shuffle transpose a 16x16 matrix.
    const a0 = low8(v128.load(p), v128.load(p8));
    const a1 = high8(v128.load(p), v128.load(p8));
    const a2 = low8(v128.load(p + stride), v128.load(p8 + stride));
    const a3 = high8(v128.load(p + stride), v128.load(p8 + stride));
    const a4 = low8(v128.load(p + 2 * stride), v128.load(p8 + 2 * stride));
    const a5 = high8(v128.load(p + 2 * stride), v128.load(p8 + 2 * stride));
    const a6 = low8(v128.load(p + 3 * stride), v128.load(p8 + 3 * stride));
    const a7 = high8(v128.load(p + 3 * stride), v128.load(p8 + 3 * stride));
    const a8 = low8(v128.load(p + 4 * stride), v128.load(p8 + 4 * stride));
    const a9 = high8(v128.load(p + 4 * stride), v128.load(p8 + 4 * stride));
    const aa = low8(v128.load(p + 5 * stride), v128.load(p8 + 5 * stride));
    const ab = high8(v128.load(p + 5 * stride), v128.load(p8 + 5 * stride));
    const ac = low8(v128.load(p + 6 * stride), v128.load(p8 + 6 * stride));
    const ad = high8(v128.load(p + 6 * stride), v128.load(p8 + 6 * stride));
    const ae = low8(v128.load(p + 7 * stride), v128.load(p8 + 7 * stride));
    const af = high8(v128.load(p + 7 * stride), v128.load(p8 + 7 * stride));
    transposeRest(out + z * 16, a0, a2, a4, a6, a8, aa, ac, ae);
    transposeRest(out + z * 16 + 128, a1, a3, a5, a7, a9, ab, ad, af);
  }
}

/** The last three rounds for eight vectors: vector i holds positions of lines i and i + 8, alternating. */
// @ts-ignore: decorator
@inline
function transposeRest(
  out: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128, g: v128, h: v128,
): void {
  const ae0 = low8(a, e);
  const ae1 = high8(a, e);
  const bf0 = low8(b, f);
  const bf1 = high8(b, f);
  const cg0 = low8(c, g);
  const cg1 = high8(c, g);
  const dh0 = low8(d, h);
  const dh1 = high8(d, h);
  const even00 = low8(ae0, cg0);
  const even01 = high8(ae0, cg0);
  const even10 = low8(ae1, cg1);
  const even11 = high8(ae1, cg1);
  const odd00 = low8(bf0, dh0);
  const odd01 = high8(bf0, dh0);
  const odd10 = low8(bf1, dh1);
  const odd11 = high8(bf1, dh1);
  v128.store(out, low8(even00, odd00), 0);
  v128.store(out, high8(even00, odd00), 16);
  v128.store(out, low8(even01, odd01), 32);
  v128.store(out, high8(even01, odd01), 48);
  v128.store(out, low8(even10, odd10), 64);
  v128.store(out, high8(even10, odd10), 80);
  v128.store(out, low8(even11, odd11), 96);
  v128.store(out, high8(even11, odd11), 112);
}

/** Bytes from one leaf to the next: 15 free, the prefix 00, the panel, and SHA-256's padding. */
// @ts-ignore: decorator
@inline
export function leafStride(slab: u32): u32 {
  return slab * 16 + 80;
}

/** Cuts q[lines][k] into leaves: the message of a leaf begins 15 bytes into its stride and is slab/4 + 1 blocks. */
export function pouwLeaves(leaves: usize, q: usize, lines: u32, k: u32, slab: u32): void {
  const stride = leafStride(slab);
  let leaf = leaves;
  for (let line: u32 = 0; line < lines; line += 16) {
    for (let from: u32 = 0; from < k; from += slab) {
      store<u8>(leaf + 15, 0);
      transposeLines(leaf + 16, q + line * k + from, k, slab);
      const end = leaf + 16 + slab * 16;
      clear(end, 64);
      store<u8>(end, 0x80);
      // The length in bits of prefix and panel, big-endian.
      store<u64>(end + 55, bswap<u64>(((<u64>slab) * 16 + 1) * 8));
      leaf += stride;
    }
  }
}

/** The dense entries of lines from .. from+lines-1 to out[lines/16][rank][16]; raw: lines*rank bytes, up to 256 more. */
export function pouwLines(out: usize, raw: usize, seed: usize, tag: u32, from: u32, lines: u32, rank: u32): void {
  pouwKeystream(raw, seed, tag, (from * rank) >> 6, lines * rank);
  for (let line: u32 = 0; line < lines; line += 16) {
    const panel = out + line * rank;
    transposeLines(panel, raw + line * rank, rank, rank);
    for (let at: u32 = 0; at < 16 * rank; at += 16) {
      const entry = v128.and(v128.load(panel + at), i8x16.splat(31));
      v128.store(panel + at, i8x16.sub(entry, i8x16.splat(16)));
    }
  }
}

/** The four indices of positions from .. from+count-1 (multiples of 8), times 16, as u16 out[count][4]. */
export function pouwIndices(out: usize, raw: usize, seed: usize, tag: u32, from: u32, count: u32, rank: u32): void {
  pouwKeystream(raw, seed, tag, from >> 3, count * 8);
  const mask = rank - 1;
  for (let l: u32 = 0; l < count; l++) {
    const at = raw + l * 8;
    const u0 = <u32>load<u16>(at, 0) & mask;
    let u1 = <u32>load<u16>(at, 2) & mask;
    if (u1 == u0) u1 = (u1 + 1) & mask;
    let u2 = <u32>load<u16>(at, 4) & mask;
    while (u2 == u0 || u2 == u1) u2 = (u2 + 1) & mask;
    let u3 = <u32>load<u16>(at, 6) & mask;
    while (u3 == u0 || u3 == u1 || u3 == u2) u3 = (u3 + 1) & mask;
    store<u32>(out + l * 8, (u0 << 4) | (u1 << 20), 0);
    store<u32>(out + l * 8, (u2 << 4) | (u3 << 20), 4);
  }
}

/** Counts the entries of positions from .. to-1 per rank. */
function countEntries(counts: usize, indices: usize, from: u32, to: u32): void {
  clear(counts, 512);
  for (let at = indices + from * 8; at < indices + to * 8; at += 2) {
    const counter = counts + (<usize>load<u16>(at) >> 3);
    store<u16>(counter, load<u16>(counter) + 1);
  }
}

/**
 * The positions of k (a multiple of 256) that one part of the peel may sum, so that A F_L and E_R B' provably fit 16
 * bits: at most 511 entries of at most 64, at most 260 of at most 126. 256 positions always do.
 */
export function pouwPart(indicesA: usize, indicesB: usize, k: u32, rank: u32): u32 {
  let part = k;
  for (let parts: u32 = 2; part > 256; parts <<= 1) {
    let fits = true;
    for (let from: u32 = 0; from < k; from += part) {
      const to = min<u32>(k, from + part);
      countEntries(entriesA, indicesA, from, to);
      countEntries(entriesB, indicesB, from, to);
      for (let q: u32 = 0; q < rank; q++) {
        if (load<u16>(entriesA + q * 2) > 260 || load<u16>(entriesB + q * 2) > 511) fits = false;
      }
    }
    if (fits) break;
    part = ((k / 256 + parts - 1) / parts) * 256;
  }
  return part;
}

/** v + noise at the position whose indices are at `at`. */
// @ts-ignore: decorator
@inline
function noised(v: v128, lines: usize, at: usize): v128 {
  const plus = i8x16.add(v128.load(lines + load<u16>(at, 0)), v128.load(lines + load<u16>(at, 2)));
  const minus = i8x16.add(v128.load(lines + load<u16>(at, 4)), v128.load(lines + load<u16>(at, 6)));
  return i8x16.add(v, i8x16.sub(plus, minus));
}

// @ts-ignore: decorator
@inline
function addTo(sum: usize, low: v128, high: v128): void {
  v128.store(sum, i16x8.add(v128.load(sum), low), 0);
  v128.store(sum, i16x8.add(v128.load(sum, 16), high), 16);
}
// @ts-ignore: decorator
@inline
function subtractFrom(sum: usize, low: v128, high: v128): void {
  v128.store(sum, i16x8.sub(v128.load(sum), low), 0);
  v128.store(sum, i16x8.sub(v128.load(sum, 16), high), 16);
}

/** Adds 16 lines at one position to the sums of its four ranks. */
// @ts-ignore: decorator
@inline
function gather(v: v128, at: usize): void {
  const low = i16x8.extend_low_i8x16_s(v);
  const high = i16x8.extend_high_i8x16_s(v);
  addTo(gathered + (<usize>load<u16>(at, 0) << 1), low, high);
  addTo(gathered + (<usize>load<u16>(at, 2) << 1), low, high);
  subtractFrom(gathered + (<usize>load<u16>(at, 4) << 1), low, high);
  subtractFrom(gathered + (<usize>load<u16>(at, 6) << 1), low, high);
}

/** Two positions of 16 lines as one packed pair (64 bytes, see pouw-gemm.ts). */
// @ts-ignore: decorator
@inline
function storePair(out: usize, even: v128, odd: v128): void {
  const low = low8(even, odd);
  const high = high8(even, odd);
  v128.store(out, i16x8.extend_low_i8x16_s(low), 0);
  v128.store(out, i16x8.extend_high_i8x16_s(low), 16);
  v128.store(out, i16x8.extend_low_i8x16_s(high), 32);
  v128.store(out, i16x8.extend_high_i8x16_s(high), 48);
}

/** The dense entries of a panel, negated for A, as packed pairs. */
// @ts-ignore: decorator
@inline
function storeLines(out: usize, lines: usize, rank: u32, negate: bool): void {
  for (let q: u32 = 0; q < rank; q += 2) {
    let even = v128.load(lines + q * 16, 0);
    let odd = v128.load(lines + q * 16, 16);
    if (negate) {
      even = i8x16.neg(even);
      odd = i8x16.neg(odd);
    }
    storePair(out + q * 32, even, odd);
  }
}

/** The gathered sums, negated for A, as packed pairs. */
// @ts-ignore: decorator
@inline
function storeGathered(out: usize, rank: u32, negate: bool): void {
  for (let q: u32 = 0; q < rank; q += 2) {
    const from = gathered + q * 32;
    let even0 = v128.load(from, 0);
    let even1 = v128.load(from, 16);
    let odd0 = v128.load(from, 32);
    let odd1 = v128.load(from, 48);
    if (negate) {
      even0 = i16x8.neg(even0);
      even1 = i16x8.neg(even1);
      odd0 = i16x8.neg(odd0);
      odd1 = i16x8.neg(odd1);
    }
    v128.store(out + q * 32, low16(even0, odd0), 0);
    v128.store(out + q * 32, high16(even0, odd0), 16);
    v128.store(out + q * 32, low16(even1, odd1), 32);
    v128.store(out + q * 32, high16(even1, odd1), 48);
  }
}

/** Noises `count` positions of a raw panel into packed pairs, gathering the raw values (A) or the noised ones (B). */
// @ts-ignore: decorator
@inline
function noiseSpan(
  out: usize, panel: usize, lines: usize, noise: usize, sparse: usize, count: u32, gatherRaw: bool, gatherNoised: bool,
): void {
  for (let z: u32 = 0; z < count; z += 2) {
    const even = v128.load(panel + z * 16, 0);
    const odd = v128.load(panel + z * 16, 16);
    const noisedEven = noised(even, lines, noise + z * 8);
    const noisedOdd = noised(odd, lines, noise + z * 8 + 8);
    if (gatherRaw) {
      gather(even, sparse + z * 8);
      gather(odd, sparse + z * 8 + 8);
    }
    if (gatherNoised) {
      gather(noisedEven, sparse + z * 8);
      gather(noisedOdd, sparse + z * 8 + 8);
    }
    storePair(out + z * 32, noisedEven, noisedOdd);
  }
}

/** Noises one slab only, for one ticket. */
export function noiseSlab(out: usize, panel: usize, lines: usize, noise: usize, slab: u32): void {
  noiseSpan(out, panel, lines, noise, 0, slab, false, false);
}

/** Bytes of a packed panel: k positions, then 2*rank positions for every part of the peel. */
// @ts-ignore: decorator
@inline
export function packedBytes(k: u32, rank: u32, part: u32): u32 {
  return (k + ((k + part - 1) / part) * 2 * rank) * 32;
}

/**
 * Packs one panel of A: A' for all k, then per part of the peel -(A F_L) and -E_L, so that the product with a packed
 * panel of B over all of it is A B. leaf: the panel's first leaf.
 */
export function packA(
  out: usize, leaf: usize, lines: usize, indicesA: usize, indicesB: usize, k: u32, slab: u32, rank: u32, part: u32,
): void {
  let peel = out + k * 32;
  const stride = leafStride(slab);
  clear(gathered, rank * 32);
  for (let l: u32 = 0; l < k; l += 256) {
    const panel = leaf + (l / slab) * stride + 16 + (l % slab) * 16;
    noiseSpan(out + l * 32, panel, lines, indicesA + l * 8, indicesB + l * 8, 256, true, false);
    if ((l + 256) % part != 0 && l + 256 != k) continue;
    storeGathered(peel, rank, true);
    storeLines(peel + rank * 32, lines, rank, true);
    clear(gathered, rank * 32);
    peel += rank * 64;
  }
}

/** Packs one panel of B: B' for all k, then per part F_R and E_R B'. */
export function packB(
  out: usize, leaf: usize, lines: usize, indicesA: usize, indicesB: usize, k: u32, slab: u32, rank: u32, part: u32,
): void {
  let peel = out + k * 32;
  const stride = leafStride(slab);
  clear(gathered, rank * 32);
  for (let l: u32 = 0; l < k; l += 256) {
    const panel = leaf + (l / slab) * stride + 16 + (l % slab) * 16;
    noiseSpan(out + l * 32, panel, lines, indicesB + l * 8, indicesA + l * 8, 256, false, true);
    if ((l + 256) % part != 0 && l + 256 != k) continue;
    storeLines(peel, lines, rank, false);
    storeGathered(peel + rank * 32, rank, false);
    clear(gathered, rank * 32);
    peel += rank * 64;
  }
}
