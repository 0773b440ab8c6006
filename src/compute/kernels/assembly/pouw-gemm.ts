// Noised product: one 16x16 tile at a time over packed panels, chunk by chunk, folding each chunk's exact sums.
//
// A packed panel holds 16 lines (rows of A' or columns of B') as pairs of positions: 64 bytes per pair, byte 4q being
// the int16 at the even position of line q and byte 4q+2 that at the odd one. So one i32x4.dot covers four columns and
// two positions, and the same layout serves both operands.

import { keepTickets, ticketOf } from './pouw-blake3';
import { clear, copyTo } from './pouw-chacha';
import { leafStride, noiseSlab, packA, packB, packedBytes, pouwIndices, pouwLines } from './pouw-noise';

/** Sums of one tile over all chunks: i32 [16][16]. */
const tileSums = memory.data(1024, 16);
/** M[0..15]. */
const tileFold = memory.data(64, 16);

// @ts-ignore: decorator
@inline
function rotl13(x: v128): v128 {
  return v128.or(i32x4.shl(x, 13), i32x4.shr_u(x, 19));
}

/** Rotates M by 13, as every chunk begins. */
// @ts-ignore: decorator
@inline
function rotateFold(): void {
  v128.store(tileFold, rotl13(v128.load(tileFold, 0)), 0);
  v128.store(tileFold, rotl13(v128.load(tileFold, 16)), 16);
  v128.store(tileFold, rotl13(v128.load(tileFold, 32)), 32);
  v128.store(tileFold, rotl13(v128.load(tileFold, 48)), 48);
}

/** tileSums[row][2 vectors] += (x, y); with `fold`, M[row & 3] ^= x ^ y. */
// @ts-ignore: decorator
@inline
function settle(sums: usize, row: usize, x: v128, y: v128, fold: bool): void {
  v128.store(sums + row * 64, i32x4.add(v128.load(sums + row * 64), x), 0);
  v128.store(sums + row * 64, i32x4.add(v128.load(sums + row * 64, 16), y), 16);
  if (fold) {
    const lane = tileFold + row * 16;
    v128.store(lane, v128.xor(v128.load(lane), v128.xor(x, y)));
  }
}

/** Adds the products of `pairs` pairs of positions (a multiple of 4) to tileSums; with `fold`, XORs them into M. */
function tileChunk(a: usize, b: usize, pairs: usize, fold: bool): void {
  const bytes = pairs << 6;
  for (let half: usize = 0; half < 2; half++) {
    for (let group: usize = 0; group < 4; group++) {
      let pa = a + group * 16;
      let pb = b + half * 32;
      const end = pa + bytes;
      let c00 = i32x4.splat(0);
      let c01 = i32x4.splat(0);
      let c10 = i32x4.splat(0);
      let c11 = i32x4.splat(0);
      let c20 = i32x4.splat(0);
      let c21 = i32x4.splat(0);
      let c30 = i32x4.splat(0);
      let c31 = i32x4.splat(0);
      while (pa < end) {
        const b0 = v128.load(pb);
        const b1 = v128.load(pb, 16);
        const a0 = v128.load32_splat(pa);
        c00 = i32x4.add(c00, i32x4.dot_i16x8_s(a0, b0));
        c01 = i32x4.add(c01, i32x4.dot_i16x8_s(a0, b1));
        const a1 = v128.load32_splat(pa, 4);
        c10 = i32x4.add(c10, i32x4.dot_i16x8_s(a1, b0));
        c11 = i32x4.add(c11, i32x4.dot_i16x8_s(a1, b1));
        const a2 = v128.load32_splat(pa, 8);
        c20 = i32x4.add(c20, i32x4.dot_i16x8_s(a2, b0));
        c21 = i32x4.add(c21, i32x4.dot_i16x8_s(a2, b1));
        const a3 = v128.load32_splat(pa, 12);
        c30 = i32x4.add(c30, i32x4.dot_i16x8_s(a3, b0));
        c31 = i32x4.add(c31, i32x4.dot_i16x8_s(a3, b1));
        pa += 64;
        pb += 64;
      }
      const sums = tileSums + group * 256 + half * 32;
      settle(sums, 0, c00, c01, fold);
      settle(sums, 1, c10, c11, fold);
      settle(sums, 2, c20, c21, fold);
      settle(sums, 3, c30, c31, fold);
    }
  }
}

/** M of one ticket to `fold`, from its slabs of two packed panels; the sums stay in tileSums. */
// @ts-ignore: decorator
@inline
function foldSlab(fold: usize, a: usize, b: usize, slab: u32, rank: u32): void {
  clear(tileFold, 64);
  for (let z: u32 = 0; z < slab; z += rank) {
    rotateFold();
    tileChunk(a + z * 32, b + z * 32, rank >> 1, true);
  }
  copyTo(fold, tileFold, 64);
}

/** A tile's sums to c as f32: (f32(sum) * sA_i) * sB_j + 0, or as i32 where there are no scales (scaleA = 0). */
function storeTile(c: usize, n: u32, scaleA: usize, scaleB: usize): void {
  for (let i: u32 = 0; i < 16; i++) {
    for (let j: u32 = 0; j < 64; j += 16) {
      let value = v128.load(tileSums + i * 64 + j);
      if (scaleA != 0) {
        const scaled = f32x4.mul(f32x4.convert_i32x4_s(value), v128.load32_splat(scaleA + i * 4));
        value = f32x4.add(f32x4.mul(scaled, v128.load(scaleB + j)), f32x4.splat(0));
      }
      v128.store(c + i * n * 4 + j, value);
    }
  }
}

/** Packs every panel of B to out. */
export function pouwPackB(
  out: usize, leaves: usize, lines: usize, indicesA: usize, indicesB: usize,
  n: u32, k: u32, slab: u32, rank: u32, part: u32,
): void {
  const step = packedBytes(k, rank, part);
  for (let j: u32 = 0; j < n >> 4; j++) {
    const leaf = leaves + j * (k / slab) * leafStride(slab);
    packB(out + j * step, leaf, lines + j * 16 * rank, indicesA, indicesB, k, slab, rank, part);
  }
}

/**
 * The noised product, tile row by tile row: every ticket is folded, hashed with `key` and compared with `bound`
 * (keepTickets' result), and c receives the exact product. Scratch: panelA one packed panel, folds 64 bytes per ticket
 * of a tile row, rounded up to 4.
 */
export function pouwMine(
  c: usize, scaleA: usize, scaleB: usize, leavesA: usize, linesA: usize, panelsB: usize, indicesA: usize,
  indicesB: usize, m: u32, n: u32, k: u32, slab: u32, rank: u32, part: u32, panelA: usize, folds: usize,
  key: usize, bound: usize, result: usize,
): void {
  const slabs = k / slab;
  const step = packedBytes(k, rank, part);
  for (let ti: u32 = 0; ti < m >> 4; ti++) {
    const leaf = leavesA + ti * slabs * leafStride(slab);
    packA(panelA, leaf, linesA + ti * 16 * rank, indicesA, indicesB, k, slab, rank, part);
    let fold = folds;
    for (let tj: u32 = 0; tj < n >> 4; tj++) {
      const b = panelsB + tj * step;
      clear(tileSums, 1024);
      for (let from: u32 = 0; from < k; from += slab) {
        foldSlab(fold, panelA + from * 32, b + from * 32, slab, rank);
        fold += 64;
      }
      tileChunk(panelA + k * 32, b + k * 32, (step - k * 32) >> 6, false);
      const rows: usize = scaleA == 0 ? 0 : scaleA + ti * 64;
      storeTile(c + (ti * 16 * n + tj * 16) * 4, n, rows, scaleB + tj * 64);
    }
    keepTickets(folds, slabs * (n >> 4), key, bound, result, ti, slabs);
  }
}

/**
 * One ticket (32 bytes to out) from its raw panels. seedA, seedB: 32 bytes each. Scratch: 16*rank bytes for lines,
 * 8*slab for indices, max(16*rank, 8*slab) of keystream, twice 32*slab for packed panels, in this order.
 */
export function pouwTicket(
  out: usize, panelA: usize, panelB: usize, seedA: usize, seedB: usize,
  ti: u32, tj: u32, s: u32, slab: u32, rank: u32, scratch: usize,
): void {
  const lines = scratch;
  const indices = lines + 16 * rank;
  const raw = indices + 8 * slab;
  const packed = raw + max<u32>(16 * rank, 8 * slab);
  pouwLines(lines, raw, seedA, 1, ti * 16, 16, rank);
  pouwIndices(indices, raw, seedA, 2, s * slab, slab, rank);
  noiseSlab(packed, panelA, lines, indices, slab);
  pouwLines(lines, raw, seedB, 3, tj * 16, 16, rank);
  pouwIndices(indices, raw, seedB, 4, s * slab, slab, rank);
  noiseSlab(packed + slab * 32, panelB, lines, indices, slab);
  clear(tileSums, 1024);
  foldSlab(raw, packed, packed + slab * 32, slab, rank);
  ticketOf(out, seedA, raw);
}
