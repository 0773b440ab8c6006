/**
 * # Noise: what stands between a cheap product and a ticket.
 *
 * Always true: the noise is a function of header, dimensions and both operand roots; nothing stays free once it is
 * known. E = E_L E_R and F = F_L F_R have rank r, E_L and F_R are dense with entries in [-16, 15], E_R and F_L hold
 * four non-zero entries per position of k, so E and F lie in [-62, 62] and noised operands fit a signed byte.
 * Source: docs/spec/compute-pow.md section 4.
 */
import { assert } from '../../base/assert.ts';
import { type Bytes, concat, littleEndian, utf8 } from '../../base/bytes.ts';
import { blake3 } from '../../crypto/hash.ts';
import { keystream } from './keystream.ts';
import { type Shape, TILE } from './profile.ts';

/** The job's place and the block that the noise is bound to; every hash has 32 bytes. */
export interface NoiseHeader {
  readonly preHash: Bytes;
  readonly author: Bytes;
  readonly fragment: Bytes;
  /** u32, from 1. */
  readonly step: number;
  /** u16. */
  readonly node: number;
}

export interface Seeds {
  readonly seedA: Bytes;
  readonly seedB: Bytes;
}

/** Keystream tags of one operand: its dense lines (E_L, F_R) and its sparse positions (E_R, F_L). */
export interface Side {
  readonly lineTag: number;
  readonly indexTag: number;
}
export const SIDE_A: Side = { lineTag: 1, indexTag: 2 };
export const SIDE_B: Side = { lineTag: 3, indexTag: 4 };

/** Non-zero entries of a position: +1, +1, -1, -1. With two, a chunk's noise has rank 0.84 r only; with four 0.97 r. */
export const ENTRIES = 4;

const KEY_LABEL = utf8('cpow/1/key');
const LABEL_A = utf8('cpow/1/A');
const LABEL_B = utf8('cpow/1/B');

/** kappa: the header, the fragment's place and every dimension in one hash. */
export function kappaOf(header: NoiseHeader, shape: Shape): Bytes {
  assert(header.preHash.length === 32 && header.author.length === 32, 'hashes of 32 bytes');
  assert(header.fragment.length === 32, 'a fragment id of 32 bytes');
  const word = (value: number, bytes: number): Bytes => littleEndian(BigInt(value), bytes);
  return blake3(
    concat(
      KEY_LABEL,
      header.preHash,
      header.author,
      header.fragment,
      word(header.step, 4),
      word(header.node, 2),
      word(shape.profile.id, 1),
      word(shape.m, 4),
      word(shape.n, 4),
      word(shape.k, 4),
    ),
  );
}

/** seedB from kappa and B's root, then seedA from seedB and A's root: neither operand can follow its own noise. */
export function seedsOf(kappa: Bytes, rootA: Bytes, rootB: Bytes): Seeds {
  const seedB = blake3(concat(LABEL_B, kappa, rootB));
  const seedA = blake3(concat(LABEL_A, seedB, rootA));
  return { seedA, seedB };
}

/** The dense entries of 16 lines (rows of E_L or columns of F_R) from line 16*block: [16][r]. */
export function noiseLines(seed: Bytes, side: Side, block: number, rank: number): Int8Array {
  const stream = keystream(seed, side.lineTag, block * TILE * rank, TILE * rank);
  return Int8Array.from(stream, (byte) => (byte & 31) - 16);
}

/** For positions from .. from+count-1 of k the four indices of their entries: [count][4], each below r. */
export function noiseIndices(
  seed: Bytes,
  side: Side,
  range: { from: number; count: number },
  rank: number,
): Uint8Array {
  const stream = keystream(seed, side.indexTag, range.from * 8, range.count * 8);
  const indices = new Uint8Array(range.count * ENTRIES);
  for (let e = 0; e < indices.length; e++) {
    const first = e - (e % ENTRIES);
    let index = ((stream[2 * e] as number) | ((stream[2 * e + 1] as number) << 8)) % rank;
    // At most 3 of the r values are taken, so this ends.
    while (indices.subarray(first, e).includes(index)) index = (index + 1) % rank;
    indices[e] = index;
  }
  return indices;
}

/** The noise that one line (its r dense entries) receives at the position whose four indices start at `at`. */
export function entryNoise(line: Int8Array, indices: Uint8Array, at: number): number {
  const pick = (q: number): number => line[indices[at + q] as number] as number;
  return pick(0) + pick(1) - pick(2) - pick(3);
}

/** A panel (layout z*16+q, see commitment.ts) with its noise added; `lines` is [16][r], `indices` [slab][4]. */
export function noisedPanel(panel: Int8Array, lines: Int8Array, indices: Uint8Array): Int8Array {
  const rank = lines.length / TILE;
  const noised = new Int8Array(panel.length);
  const rows = Array.from({ length: TILE }, (_, q) => lines.subarray(q * rank, (q + 1) * rank));
  for (let z = 0; z < panel.length / TILE; z++) {
    for (let q = 0; q < TILE; q++) {
      const noise = entryNoise(rows[q] as Int8Array, indices, ENTRIES * z);
      noised[z * TILE + q] = (panel[z * TILE + q] as number) + noise;
    }
  }
  return noised;
}
