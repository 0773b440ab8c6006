// Noised product: one 16x16 tile at a time over packed panels, chunk by chunk, folding each chunk's exact sums.
//
// A packed panel holds 16 lines (rows of A' or columns of B') as pairs of positions: 64 bytes per pair, byte 4q being
// the int16 at the even position of line q and byte 4q+2 that at the odd one. So one i32x4.dot covers four columns and
// two positions, and the same layout serves both operands.

import { keepTickets, ticketOf } from './pouw-blake3';
import { clear, copyTo } from './pouw-chacha';
import { leafStride, noiseSlab, packA, packB, packedBytes, pouwIndices, pouwLines } from './pouw-noise';

/** Tile rows that share one pass over the panels of B: with 4 instead of 1 a product of k = 4,096 takes 9 % less. */
const MAX_ROWS: u32 = 4;
/** Sums of a tile over all chunks, i32 [16][16], for each of MAX_ROWS tiles. */
const tileSums = memory.data(4096, 64);
/** M[0..15] of each of them. */
const tileFold = memory.data(256, 64);

// @ts-ignore: decorator
@inline
function rotl13(x: v128): v128 {
  return v128.or(i32x4.shl(x, 13), i32x4.shr_u(x, 19));
}

/** Rotates M by 13, as every chunk begins. */
// @ts-ignore: decorator
@inline
function rotateFold(fold: usize): void {
  v128.store(fold, rotl13(v128.load(fold, 0)), 0);
  v128.store(fold, rotl13(v128.load(fold, 16)), 16);
  v128.store(fold, rotl13(v128.load(fold, 32)), 32);
  v128.store(fold, rotl13(v128.load(fold, 48)), 48);
}

/**
 * The products of one chunk in two rows, i32 [2][16]. They are stored side by side before anything else happens to them,
 * so that an engine may join neighbouring vectors to 256 bits (V8's --experimental-wasm-revectorize: a product of
 * 512 x 1024 x 256 then takes 8.0 ms in place of 10.1; with sums that went straight into the fold it took 11.6).
 */
const chunkSums = memory.data(128, 64);

/** sums[16] += the chunk's row; if fold is not 0, M[row & 3] ^= the XOR of its four vectors. */
// @ts-ignore: decorator
@inline
function settle(sums: usize, fold: usize, chunk: usize): void {
  const x = v128.load(chunk);
  const y = v128.load(chunk, 16);
  const z = v128.load(chunk, 32);
  const w = v128.load(chunk, 48);
  const x1 = i32x4.add(v128.load(sums), x);
  const y1 = i32x4.add(v128.load(sums, 16), y);
  const z1 = i32x4.add(v128.load(sums, 32), z);
  const w1 = i32x4.add(v128.load(sums, 48), w);
  v128.store(sums, x1);
  v128.store(sums, y1, 16);
  v128.store(sums, z1, 32);
  v128.store(sums, w1, 48);
  if (fold != 0) v128.store(fold, v128.xor(v128.load(fold), v128.xor(v128.xor(x, y), v128.xor(z, w))));
}

/** Adds the products of `pairs` pairs of positions to a tile's sums and, if fold is not 0, XORs them into its M. */
function tileChunk(a: usize, b: usize, pairs: usize, tile: usize, fold: usize): void {
  const bytes = pairs << 6;
  for (let group: usize = 0; group < 8; group++) {
    let pa = a + group * 8;
    let pb = b;
    const end = pa + bytes;
    let c00 = i32x4.splat(0);
    let c01 = i32x4.splat(0);
    let c02 = i32x4.splat(0);
    let c03 = i32x4.splat(0);
    let c10 = i32x4.splat(0);
    let c11 = i32x4.splat(0);
    let c12 = i32x4.splat(0);
    let c13 = i32x4.splat(0);
    while (pa < end) {
      const b0 = v128.load(pb);
      const b1 = v128.load(pb, 16);
      const b2 = v128.load(pb, 32);
      const b3 = v128.load(pb, 48);
      const a0 = v128.load32_splat(pa);
      c00 = i32x4.add(c00, i32x4.dot_i16x8_s(a0, b0));
      c01 = i32x4.add(c01, i32x4.dot_i16x8_s(a0, b1));
      c02 = i32x4.add(c02, i32x4.dot_i16x8_s(a0, b2));
      c03 = i32x4.add(c03, i32x4.dot_i16x8_s(a0, b3));
      const a1 = v128.load32_splat(pa, 4);
      c10 = i32x4.add(c10, i32x4.dot_i16x8_s(a1, b0));
      c11 = i32x4.add(c11, i32x4.dot_i16x8_s(a1, b1));
      c12 = i32x4.add(c12, i32x4.dot_i16x8_s(a1, b2));
      c13 = i32x4.add(c13, i32x4.dot_i16x8_s(a1, b3));
      pa += 64;
      pb += 64;
    }
    v128.store(chunkSums, c00);
    v128.store(chunkSums, c01, 16);
    v128.store(chunkSums, c02, 32);
    v128.store(chunkSums, c03, 48);
    v128.store(chunkSums, c10, 64);
    v128.store(chunkSums, c11, 80);
    v128.store(chunkSums, c12, 96);
    v128.store(chunkSums, c13, 112);
    const sums = tile + group * 128;
    const lane = fold + (group & 1) * 32;
    settle(sums, fold == 0 ? 0 : lane, chunkSums);
    settle(sums + 64, fold == 0 ? 0 : lane + 16, chunkSums + 64);
  }
}

/**
 * One slab of `rows` tiles, which share the panel of B: their sums grow, and each tile's M is written to its fold,
 * `foldStep` bytes apart. A chunk of B stays in the first-level cache for all of them.
 */
// @ts-ignore: decorator
@inline
function foldSlab(folds: usize, foldStep: u32, a: usize, aStep: u32, b: usize, rows: u32, slab: u32, rank: u32): void {
  clear(tileFold, 64 * rows);
  for (let z: u32 = 0; z < slab; z += rank) {
    for (let row: u32 = 0; row < rows; row++) {
      const fold = tileFold + row * 64;
      rotateFold(fold);
      tileChunk(a + row * aStep + z * 32, b + z * 32, rank >> 1, tileSums + row * 1024, fold);
    }
  }
  for (let row: u32 = 0; row < rows; row++) copyTo(folds + row * foldStep, tileFold + row * 64, 64);
}

/** A tile's sums to c as f32: (f32(sum) * sA_i) * sB_j + 0, or as i32 where there are no scales (scaleA = 0). */
function storeTile(c: usize, n: u32, sums: usize, scaleA: usize, scaleB: usize): void {
  for (let i: u32 = 0; i < 16; i++) {
    for (let j: u32 = 0; j < 64; j += 16) {
      let value = v128.load(sums + i * 64 + j);
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
 * The noised product, a few tile rows at a time: every ticket is folded, hashed with `key` and compared with `bound`
 * (keepTickets' result), and c receives the exact product. Scratch: panelsA MAX_ROWS packed panels, folds 64 bytes per
 * ticket of MAX_ROWS tile rows, each row rounded up to 4 tickets.
 */
export function pouwMine(
  c: usize, scaleA: usize, scaleB: usize, leavesA: usize, linesA: usize, panelsB: usize, indicesA: usize,
  indicesB: usize, m: u32, n: u32, k: u32, slab: u32, rank: u32, part: u32, panelsA: usize, folds: usize,
  key: usize, bound: usize, result: usize,
): void {
  const slabs = k / slab;
  const step = packedBytes(k, rank, part);
  const tickets = slabs * (n >> 4);
  const foldStep = ((tickets + 3) & ~3) << 6;
  for (let first: u32 = 0; first < m >> 4; first += MAX_ROWS) {
    const rows = min<u32>(MAX_ROWS, (m >> 4) - first);
    for (let row: u32 = 0; row < rows; row++) {
      const leaf = leavesA + (first + row) * slabs * leafStride(slab);
      const lines = linesA + (first + row) * 16 * rank;
      packA(panelsA + row * step, leaf, lines, indicesA, indicesB, k, slab, rank, part);
    }
    let fold = folds;
    for (let tj: u32 = 0; tj < n >> 4; tj++) {
      const b = panelsB + tj * step;
      clear(tileSums, rows * 1024);
      for (let from: u32 = 0; from < k; from += slab) {
        foldSlab(fold, foldStep, panelsA + from * 32, step, b + from * 32, rows, slab, rank);
        fold += 64;
      }
      for (let row: u32 = 0; row < rows; row++) {
        const sums = tileSums + row * 1024;
        tileChunk(panelsA + row * step + k * 32, b + k * 32, (step - k * 32) >> 6, sums, 0);
        const ti = first + row;
        const scale: usize = scaleA == 0 ? 0 : scaleA + ti * 64;
        storeTile(c + (ti * 16 * n + tj * 16) * 4, n, sums, scale, scaleB + tj * 64);
      }
    }
    for (let row: u32 = 0; row < rows; row++) {
      keepTickets(folds + row * foldStep, tickets, key, bound, result, first + row, slabs);
    }
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
  foldSlab(raw, 0, packed, 0, packed + slab * 32, 1, slab, rank);
  ticketOf(out, seedA, raw);
}
