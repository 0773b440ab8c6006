/** # Held-out loss: of weights, by the evaluation graph of a job, on the canonical kernels. */
import type { Bytes } from '../../base/bytes.ts';
import { readStepGraph } from '../graph/step-graph.ts';
import { Evaluator } from '../plan/executor.ts';
import { plainGemm } from '../plan/gemm-backend.ts';
import { planStep } from '../plan/planner.ts';
import { loadKernels } from './kernels-file.ts';

/** An evaluator with kernels of its own. */
export function evaluatorOf(evalGraph: Bytes): Evaluator {
  const kernels = loadKernels();
  return new Evaluator(kernels, planStep(readStepGraph(evalGraph)), plainGemm(kernels));
}

/** f32 bits of the mean loss of `theta` over held-out records. */
export function heldOutLoss(evalGraph: Bytes, theta: Bytes, holdout: Bytes): number {
  return evaluatorOf(evalGraph).meanLoss(theta, holdout);
}
