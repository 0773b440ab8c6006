import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { admit } from '../../../src/compute/graph/admission.ts';
import { compile } from '../../../src/compute/graph/compile.ts';
import { tensorOf } from '../../../src/compute/graph/ir.ts';
import { elements, type OnnxModel } from '../../../src/compute/graph/onnx.ts';
import { PlanRunner } from '../../../src/compute/plan/executor.ts';
import { plainGemm } from '../../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';
import { interpret } from './interpreter.ts';
import { operatorModels, scalarLoss } from './operator-models.ts';
import { withParameters } from './with-parameters.ts';

/** Distinct values in [-1, 1], away from ties and kinks. */
const sample = (n: number, shift: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => shift + Math.sin(1 + 1.7 * i + 0.013 * i * i));

/** Loss and flat gradient of the compiled model: after one step of momentum SGD from zero, m is the gradient. */
function compiled(model: OnnxModel, theta: Float32Array): { loss: number; gradient: Float32Array } {
  const optimiser = { kind: 'sgd', momentum: 0.5, nesterov: false, weightDecay: 0 } as const;
  const { step } = compile(model, { loss: 'output', optimiser, precision: 'f32' });
  const plan = planStep(step);
  const kernels = referenceKernels(plan.bytes);
  const runner = new PlanRunner(kernels, plan, plainGemm(kernels));
  runner.load(new Uint8Array(theta.slice().buffer));
  runner.run({ key: [0, 0], lr: 0, t: 1 });
  const [loss = Number.NaN] = new Float32Array(runner.output(2).buffer);
  return { loss, gradient: new Float32Array(runner.output(1).buffer) };
}

describe('the gradient that the compiler writes is the slope that finite differences measure:', () => {
  for (const each of operatorModels()) {
    test(each.name, () => {
      const bare = admit(each.model);
      const dims = tensorOf(bare.graph, bare.outputs[0]?.value as string).dims;
      const model = scalarLoss(each, dims);
      const forward = admit(model);
      const theta = sample(forward.theta.length / 4, each.shift);
      const bytes = new Uint8Array(theta.slice().buffer);
      const { loss, gradient } = compiled(withParameters(model, forward.parameters, bytes), theta);

      const lossAt = (values: ArrayLike<number>): number => {
        let at = 0;
        const inputs = Object.fromEntries(
          forward.parameters.map(({ name, dims: own }) => {
            const slice = Array.from({ length: elements(own) }, (_, i) => values[at + i] as number);
            at += slice.length;
            return [name, slice];
          }),
        );
        return interpret(forward, inputs)[0]?.[0] as number;
      };
      const scale = Math.max(1, ...gradient.map(Math.abs));
      assert.ok(Math.abs(loss - lossAt(theta)) < 1e-5 * Math.max(1, Math.abs(loss)), `loss ${loss}`);
      const h = 1e-5;
      gradient.forEach((slope, i) => {
        const near = Array.from(theta);
        const at = (step: number): number => lossAt(near.with(i, (theta[i] as number) + step));
        const measured = (at(h) - at(-h)) / (2 * h);
        assert.ok(Math.abs(slope - measured) < 2e-5 * scale, `element ${i}: ${slope}, measured ${measured}`);
      });
    });
  }
});
