/**
 * # GEMM backend: who multiplies the quantised operands of a mined node.
 *
 * Always true: every backend leaves the same f32 words in `call.out`; they differ in what else they learn from the
 * operands: nothing, their roots and bytes (a checker), or tickets (a miner).
 */
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
