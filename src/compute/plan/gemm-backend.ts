/**
 * # GEMM backend: who multiplies the quantised operands of a mined node.
 *
 * Always true: every backend leaves the same f32 words in `call.out`; they differ in what else they learn from the
 * operands: nothing, their roots and bytes (a checker), or tickets (a miner).
 */
import type { Bytes } from '../../base/bytes.ts';
import type { Kernels } from '../canonical/kernels.ts';
import type { GemmCall } from './plan.ts';

export interface GemmBackend {
  /** C = (f32(A B) * sA) * sB + 0 into `call.out`. May grow the memory beyond the plan's end. */
  multiply(call: GemmCall): void;
}

/** The plain product: training without tickets, evaluation, tests. */
export function plainGemm(kernels: Kernels): GemmBackend {
  return {
    multiply: ({ out, qA, sA, qBT, sB, m, n, k, scratch }) => kernels.igemm(out, qA, sA, qBT, sB, m, n, k, scratch),
  };
}

/** What a recording backend reports of one mined node; the views are valid during the call only. */
export interface RecordedGemm {
  readonly call: GemmCall;
  /** int8 [m][k], and [n][k] of the transposed right operand: the bytes of a checker's receipt. */
  readonly qA: Bytes;
  readonly qBT: Bytes;
}

/** The plain product, and the operands of every mined node for whoever commits to them. */
export function recordingGemm(kernels: Kernels, record: (gemm: RecordedGemm) => void): GemmBackend {
  const plain = plainGemm(kernels);
  return {
    multiply: (call) => {
      const bytes = (at: number, size: number): Bytes => kernels.u8.subarray(at, at + size);
      record({ call, qA: bytes(call.qA, call.m * call.k), qBT: bytes(call.qBT, call.n * call.k) });
      plain.multiply(call);
    },
  };
}
