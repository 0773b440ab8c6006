/**
 * # Self-test: kernels prove themselves before their results are used.
 *
 * Always true: two training steps of a tiny transformer on the given kernels and on the plain reference end in the same
 * state, bit for bit, or the kernels are refused. It runs every operator of the dev job at small and odd sizes.
 * Processes with an engine run under --no-liftoff, so that what is proven is the optimised code that then trains.
 */
import { equal } from '../../base/bytes.ts';
import { sha256 } from '../../crypto/hash.ts';
import { type Kernels, KernelsUnfit } from '../canonical/kernels.ts';
import { referenceKernels } from '../canonical/reference.ts';
import { compile } from '../graph/compile.ts';
import { charTransformer } from '../models/char-transformer.ts';
import { initialWeights } from '../models/initial-weights.ts';
import { StepExecutor } from './executor.ts';
import { plainGemm } from './gemm-backend.ts';
import { planStep } from './planner.ts';

const TINY = { V: 37, T: 9, C: 24, L: 1, heads: 2, ffn: 40, B: 3 } as const;
const STEPS = 2;
/** 0.001 as f32 bits: large enough to move every weight. */
const RATE_BITS = 0x3a83126f;

/** Throws KernelsUnfit unless `kernels` agree with the plain reference. Grows their memory by about 1 MiB. */
export function proveKernels(kernels: Kernels): void {
  const model = charTransformer(TINY);
  const bytes = TINY.T + 1;
  const fields = [
    { input: 'tokens', type: 'u8', offset: 0 },
    { input: 'labels', type: 'u8', offset: 1 },
  ] as const;
  const optimiser = { kind: 'adamw', b1: Math.fround(0.9), b2: Math.fround(0.95), eps: 1e-8, weightDecay: 0 } as const;
  const plan = planStep(compile(model, { loss: 'cross-entropy', optimiser, record: { bytes, fields } }).step);
  const seed = sha256(Uint8Array.of(1));
  const batch = new Uint8Array(TINY.B * bytes).map((_, i) => (i * 29 + 7) % TINY.V);
  const [given, wanted] = [kernels, referenceKernels(plan.bytes)].map((each) => {
    const executor = new StepExecutor(each, plan, plainGemm(each));
    executor.load(initialWeights(model, seed));
    for (let t = 1; t <= STEPS; t++) executor.run(t, sha256(Uint8Array.of(t, 2)), batch, RATE_BITS);
    return executor.state().slice();
  });
  if (given === undefined || wanted === undefined || !equal(given, wanted)) {
    throw new KernelsUnfit('the kernels differ from the plain reference on this machine: they may not train or check');
  }
}
