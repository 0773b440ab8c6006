import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { recordIndices } from '../../../src/compute/canonical/philox.ts';
import { loadKernels } from '../../../src/compute/engine/kernels-file.ts';
import { compile } from '../../../src/compute/graph/compile.ts';
import type { Precision } from '../../../src/compute/graph/lower.ts';
import { charTransformer } from '../../../src/compute/models/char-transformer.ts';
import { initialWeights } from '../../../src/compute/models/initial-weights.ts';
import { Evaluator, floatOfBits, StepExecutor } from '../../../src/compute/plan/executor.ts';
import { plainGemm } from '../../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';

const MODEL = { V: 128, T: 32, C: 64, L: 2, heads: 4, ffn: 256, B: 16 };
const RECORD_BYTES = MODEL.T + 1;
const STEPS = 120;
const LEARNING_RATE_BITS = 0x3b03126f; // 2e-3

/** The licence: a text that never changes. Its last tenth is held out. */
const text = readFileSync(join(import.meta.dirname, '..', '..', '..', 'LICENSE')).map((byte) => byte & 0x7f);

function records(from: number, to: number, stride: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = from; at + RECORD_BYTES <= to; at += stride) out.push(text.subarray(at, at + RECORD_BYTES));
  return out;
}

const join2 = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

/** Held-out loss before and after training. */
function trained(precision: Precision): { readonly before: number; readonly after: number } {
  const cut = Math.floor(text.length * 0.9);
  const train = records(0, cut, 8);
  const held = records(cut, text.length, 16);
  held.length -= held.length % MODEL.B;
  const { step, evaluation } = compile(charTransformer(MODEL), {
    precision,
    loss: 'cross-entropy',
    optimiser: { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0.01 },
    record: {
      bytes: RECORD_BYTES,
      fields: [
        { input: 'tokens', type: 'u8', offset: 0 },
        { input: 'labels', type: 'u8', offset: 1 },
      ],
    },
  });
  // Training and evaluation side by side in one memory, as a checker has them.
  const kernels = loadKernels();
  const plan = planStep(step);
  const executor = new StepExecutor(kernels, plan, plainGemm(kernels));
  const evaluator = new Evaluator(kernels, planStep(evaluation, { base: plan.bytes }), plainGemm(kernels));
  const holdout = join2(held);
  const loss = (): number => floatOfBits(evaluator.meanLoss(executor.theta(), holdout));
  executor.load(initialWeights(charTransformer(MODEL), new Uint8Array(32).fill(1)));
  const before = loss();
  for (let t = 1; t <= STEPS; t++) {
    const seed = new Uint8Array(32).fill(t);
    const batch = join2([...recordIndices(train.length, MODEL.B, [1, t])].map((i) => train[i] as Uint8Array));
    assert.ok(executor.run(t, seed, batch, LEARNING_RATE_BITS).finite);
  }
  assert.ok(executor.isFinite());
  return { before, after: loss() };
}

describe('training with int7 products', () => {
  test('ends within 0.05 of the held-out loss of training in fp32', () => {
    const [int7, fp32] = [trained('i7'), trained('f32')];
    assert.ok(int7.before > 4.7 && int7.after < 2.9, `it learns: ${int7.before} -> ${int7.after}`);
    assert.ok(Math.abs(int7.after - fp32.after) < 0.05, `${int7.after} against ${fp32.after}`);
  });
});
