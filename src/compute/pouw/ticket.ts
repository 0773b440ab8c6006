/**
 * # Ticket: one tile over one slab, folded and hashed.
 *
 * Always true: a ticket needs the sum of every chunk of its tile exactly, so its price is 256*slab multiplications;
 * whether it wins is decided by integers only. Source: docs/spec/compute-pow.md section 5.
 */
import { type Bytes, fromLittleEndian, littleEndian } from '../../base/bytes.ts';
import { blake3Keyed } from '../../crypto/hash.ts';
import { noisedPanel, noiseIndices, noiseLines, type Seeds, SIDE_A, SIDE_B } from './noise.ts';
import { type Place, type Profile, TILE } from './profile.ts';

/** Words of the folded state M. */
const FOLD_WORDS = 16;
const FOLD_ROTATION = 13;
const PPM = 1_000_000n;
const HASH_SPACE = 1n << 256n;

/** What a ticket is computed from: the raw panels of its tile, the seeds, and its place. */
export interface TicketInput {
  readonly profile: Profile;
  readonly seeds: Seeds;
  readonly place: Place;
  readonly panelA: Int8Array;
  readonly panelB: Int8Array;
}

/** Computes a ticket (32 bytes); the plain function below and the kernels' are equal on every input. */
export type TicketEvaluator = (input: TicketInput) => Bytes;

/** M[0..15] of two noised panels: per chunk of `chunk` positions rotate by 13, then XOR the 256 sums into 16 words. */
export function foldTile(noisedA: Int8Array, noisedB: Int8Array, chunk: number): Uint32Array {
  const fold = new Int32Array(FOLD_WORDS);
  const sums = new Int32Array(TILE * TILE);
  for (let start = 0; start < noisedA.length; start += chunk * TILE) {
    sums.fill(0);
    for (let at = start; at < start + chunk * TILE; at += TILE) {
      for (let i = 0; i < TILE; i++) {
        const a = noisedA[at + i] as number;
        for (let j = 0; j < TILE; j++)
          sums[i * TILE + j] = (sums[i * TILE + j] as number) + a * (noisedB[at + j] as number);
      }
    }
    for (let x = 0; x < FOLD_WORDS; x++) {
      const word = fold[x] as number;
      fold[x] = (word << FOLD_ROTATION) | (word >>> (32 - FOLD_ROTATION));
    }
    for (let p = 0; p < sums.length; p++) {
      const lane = ((p >> 4) & 3) * 4 + (p & 3);
      fold[lane] = (fold[lane] as number) ^ (sums[p] as number);
    }
  }
  return new Uint32Array(fold.buffer);
}

/** The ticket of a folded state: BLAKE3 keyed with seedA over M as 16 little-endian words. */
export function hashFold(seedA: Bytes, fold: Uint32Array): Bytes {
  const message = new DataView(new ArrayBuffer(4 * FOLD_WORDS));
  for (let x = 0; x < FOLD_WORDS; x++) message.setUint32(4 * x, fold[x] as number, true);
  return blake3Keyed(seedA, new Uint8Array(message.buffer));
}

/** The plain evaluator: the referee of every faster one. */
export const evaluateTicket: TicketEvaluator = (input) => {
  const { profile, seeds, place } = input;
  const range = { from: place.s * profile.slab, count: profile.slab };
  const noisedA = noisedPanel(
    input.panelA,
    noiseLines(seeds.seedA, SIDE_A, place.ti, profile.rank),
    noiseIndices(seeds.seedA, SIDE_A, range, profile.rank),
  );
  const noisedB = noisedPanel(
    input.panelB,
    noiseLines(seeds.seedB, SIDE_B, place.tj, profile.rank),
    noiseIndices(seeds.seedB, SIDE_B, range, profile.rank),
  );
  return hashFold(seeds.seedA, foldTile(noisedA, noisedB, profile.rank));
};

/** What a ticket has to beat: difficulty D (at least 1), the slab of its profile, the author's boost in ppm. */
export interface Target {
  readonly difficulty: bigint;
  readonly slab: number;
  readonly boostPpm: bigint;
}

/** int(ticket) * D * 10^6 < 2^256 * 256 * slab * boost_ppm, in exact integers. */
export function wins(ticket: Bytes, target: Target): boolean {
  return fromLittleEndian(ticket) * target.difficulty * PPM < numerator(target);
}

/**
 * The greatest winning ticket as 32 little-endian bytes: a ticket wins if and only if it is not above it.
 * Since x*d < N  <=>  x <= floor((N-1)/d) for integers and d > 0; beyond 2^256 - 1 every ticket wins.
 */
export function largestWinner(target: Target): Bytes {
  const largest = (numerator(target) - 1n) / (target.difficulty * PPM);
  return littleEndian(largest < HASH_SPACE ? largest : HASH_SPACE - 1n, 32);
}

function numerator(target: Target): bigint {
  return HASH_SPACE * BigInt(TILE * TILE * target.slab) * target.boostPpm;
}
