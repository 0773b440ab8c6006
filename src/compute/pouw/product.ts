/**
 * # Product: the exact C = A B, recovered from the noised product.
 *
 * Always true: C = A'B' - (A F_L) F_R - E_L (E_R B') with raw A and noised B', for every input in range; mining costs
 * the miner no bit of his training. Source: docs/spec/compute-pow.md section 5.
 */
import type { Operand } from './commitment.ts';
import { ENTRIES, entryNoise, noiseIndices, noiseLines, type Seeds, SIDE_A, SIDE_B, type Side } from './noise.ts';
import { type Profile, TILE } from './profile.ts';

/** All noise of one operand: dense lines [lines][r], indices [k][4]. */
export interface OperandNoise {
  readonly rank: number;
  readonly lines: Int8Array;
  readonly indices: Uint8Array;
}

/** The noise of a whole operand. */
function operandNoise(operand: Operand, seed: Uint8Array, side: Side, rank: number): OperandNoise {
  const lines = new Int8Array(operand.lines * rank);
  for (let block = 0; block < operand.lines / TILE; block++) {
    lines.set(noiseLines(seed, side, block, rank), block * TILE * rank);
  }
  return { rank, lines, indices: noiseIndices(seed, side, { from: 0, count: operand.k }, rank) };
}

/** A + E, or B + F. */
function noisedOperand(operand: Operand, noise: OperandNoise): Operand {
  const data = new Int8Array(operand.data.length);
  for (let i = 0; i < operand.lines; i++) {
    const line = noise.lines.subarray(i * noise.rank, (i + 1) * noise.rank);
    for (let l = 0; l < operand.k; l++) {
      const at = i * operand.k + l;
      data[at] = (operand.data[at] as number) + entryNoise(line, noise.indices, ENTRIES * l);
    }
  }
  return { ...operand, data };
}

/** X Y^T of two operands: int32 [x.lines][y.lines]. */
export function plainProduct(x: Operand, y: Operand): Int32Array {
  const out = new Int32Array(x.lines * y.lines);
  for (let i = 0; i < x.lines; i++) {
    const row = x.data.subarray(i * x.k, (i + 1) * x.k);
    for (let j = 0; j < y.lines; j++) {
      const at = j * y.k;
      let sum = 0;
      for (let l = 0; l < row.length; l++) sum += (row[l] as number) * (y.data[at + l] as number);
      out[i * y.lines + j] = sum;
    }
  }
  return out;
}

/** A B by way of the noise: what a miner has anyway, minus the two products of rank r. */
export function peeledProduct(a: Operand, b: Operand, seeds: Seeds, profile: Profile): Int32Array {
  const { rank } = profile;
  const noiseA = operandNoise(a, seeds.seedA, SIDE_A, rank);
  const noiseB = operandNoise(b, seeds.seedB, SIDE_B, rank);
  const noisedB = noisedOperand(b, noiseB);
  const out = plainProduct(noisedOperand(a, noiseA), noisedB);
  // [lines][r]: A F_L, and the transpose of E_R B'.
  const rawTimesLeft = gather(a, noiseB);
  const rightTimesNoised = gather(noisedB, noiseA);
  for (let i = 0; i < a.lines; i++) {
    for (let j = 0; j < b.lines; j++) {
      let excess = 0;
      for (let q = 0; q < rank; q++) {
        excess += (rawTimesLeft[i * rank + q] as number) * (noiseB.lines[j * rank + q] as number);
        excess += (noiseA.lines[i * rank + q] as number) * (rightTimesNoised[j * rank + q] as number);
      }
      out[i * b.lines + j] = (out[i * b.lines + j] as number) - excess;
    }
  }
  return out;
}

/** Each line of `operand` times the sparse factor of `noise`: [lines][r]. */
function gather(operand: Operand, noise: OperandNoise): Int32Array {
  const out = new Int32Array(operand.lines * noise.rank);
  for (let i = 0; i < operand.lines; i++) {
    for (let l = 0; l < operand.k; l++) {
      const value = operand.data[i * operand.k + l] as number;
      for (let q = 0; q < ENTRIES; q++) {
        const at = i * noise.rank + (noise.indices[ENTRIES * l + q] as number);
        out[at] = (out[at] as number) + (q < 2 ? value : -value);
      }
    }
  }
  return out;
}
