import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runOnnx } from '../../../src/compute/engine/onnx-runtime.ts';
import { type GraphRun, runGraph } from '../../../src/compute/engine/run-graph.ts';
import { sampleInputs } from '../../../src/compute/engine/sample-inputs.ts';
import { admit } from '../../../src/compute/graph/admission.ts';
import {
  type CompiledGraph,
  type CompileOptions,
  compile,
  compileForward,
} from '../../../src/compute/graph/compile.ts';
import { tensorOf } from '../../../src/compute/graph/ir.ts';
import type { OnnxModel } from '../../../src/compute/graph/onnx.ts';
import { readModel } from '../../../src/compute/graph/onnx-read.ts';
import { writeModel } from '../../../src/compute/graph/onnx-write.ts';
import { charTransformer } from '../../../src/compute/models/char-transformer.ts';
import { exportSafetensors } from '../../../src/compute/models/export.ts';
import { initialWeights } from '../../../src/compute/models/initial-weights.ts';
import { mlp } from '../../../src/compute/models/mlp.ts';
import { readSafetensors } from '../../../src/compute/models/safetensors.ts';
import { mergeModels, sumOfOutputs } from './merged-model.ts';
import { operatorModels, scalarLoss } from './operator-models.ts';
import { withParameters } from './with-parameters.ts';

const TIMEOUT = { timeoutMs: 120_000 };
const ADAMW = { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0.01 } as const;

/** The case's model with values in its parameters: away from zeros, ties and kinks. */
function filled(model: OnnxModel, shift: number): OnnxModel {
  const { parameters, theta } = admit(model);
  const values = Float32Array.from({ length: theta.length / 4 }, (_, i) => shift + Math.sin(1 + 1.7 * i));
  return withParameters(model, parameters, new Uint8Array(values.buffer));
}

function close(ours: ArrayLike<number>, theirs: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(ours.length, theirs.length, what);
  const scale = Math.max(1e-30, ...Array.from(theirs, Math.abs));
  const worst = Math.max(0, ...Array.from(ours, (value, i) => Math.abs(value - (theirs[i] as number))));
  assert.ok(worst <= tolerance * scale, `${what}: off by ${worst} of ${scale}`);
}

const cases = operatorModels().map(({ name, model, shift }) => ({ name, shift, model: filled(model, shift) }));

function runOf(theta: Uint8Array, compiled: CompiledGraph): GraphRun {
  const data = new Float32Array(theta.slice().buffer);
  const inputs = { ...sampleInputs(compiled), theta: { type: 'f32' as const, dims: [data.length], data } };
  return { inputs, scalars: { key: [11, 13], lr: Math.fround(1e-3), t: 1 }, limits: TIMEOUT };
}

describe('stock ONNX Runtime and the canonical engine agree', () => {
  test('on the forward value of every operator, as ONNX defines it', async () => {
    const merged = mergeModels(cases.map(({ model }) => model));
    const { outputs } = await runOnnx(writeModel(declared(merged)), [{}], TIMEOUT);
    for (const [i, { name, model }] of cases.entries()) {
      const { inference, theta } = compileForward(model, { precision: 'f32' });
      const ours = await runGraph('js', inference, runOf(theta, inference));
      const theirs = outputs[0]?.[`${i}/${model.outputs[0]?.name}`];
      const [y] = Object.values(ours);
      assert.deepEqual(theirs?.dims, y?.dims, name);
      close(y?.data as Float32Array, theirs?.data as Float32Array, 3e-6, name);
    }
  });

  test('on the gradient of every operator, through the functions of the step graph', async () => {
    const losses = cases.map((each) => {
      const { graph, outputs } = admit(each.model);
      return scalarLoss(each, tensorOf(graph, outputs[0]?.value as string).dims);
    });
    const model = sumOfOutputs(mergeModels(losses));
    const optimiser = { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 0 } as const;
    const { step, theta } = compile(model, { loss: 'output', optimiser, precision: 'f32' });
    const run = runOf(theta, step);
    const [ours, theirs] = [await runGraph('js', step, run), await runGraph('onnxruntime', step, run)];
    close(ours['m.next']?.data as Float32Array, theirs['m.next']?.data as Float32Array, 3e-6, 'gradient');
  });

  const SMALL = { V: 256, T: 16, C: 64, L: 2, heads: 2, ffn: 128, B: 4 };
  const steps: readonly (readonly [string, OnnxModel, Partial<CompileOptions>])[] = [
    ['a char transformer with AdamW', charTransformer(SMALL), {}],
    ['a char transformer with clipping', charTransformer(SMALL), { optimiser: { ...ADAMW, maxNorm: 0.5 } }],
    ['a char transformer without decay of its vectors', charTransformer(SMALL), { optimiser: undecayed() }],
    ['an MLP with Nesterov momentum', mlp({ widths: [32, 64, 16], B: 16 }), nesterov()],
    ['an MLP with plain SGD', mlp({ widths: [32, 64, 16], B: 16 }), { loss: 'mse', optimiser: plain() }],
  ];
  for (const [name, model, options] of steps) {
    test(`on a step of ${name}: the loss to 1e-3, the state as far as int7 allows`, async () => {
      const { step } = compile(model, { loss: 'cross-entropy', optimiser: ADAMW, ...options });
      const run = runOf(initialWeights(model, new Uint8Array(32).fill(7)), step);
      const [ours, theirs] = [await runGraph('wasm', step, run), await runGraph('onnxruntime', step, run)];
      const value = (outputs: typeof ours, which: string): Float32Array => outputs[which]?.data as Float32Array;
      close(value(ours, 'loss'), value(theirs, 'loss'), 1e-3, 'loss');
      // A value next to a rounding boundary of int7 may fall on either side after a last-bit difference.
      for (const part of step.graph.outputs.filter((each) => each.startsWith('m.'))) {
        close(value(ours, part), value(theirs, part), 2e-2, part);
      }
      assert.deepEqual(await runGraph('js', step, run), ours);
    });
  }

  test('on an exported model, which other programs load', async () => {
    const model = charTransformer(SMALL);
    const theta = initialWeights(model, new Uint8Array(32).fill(9));
    const { parameters } = admit(model);
    const file = writeModel(withParameters(model, parameters, theta));
    const { inference, theta: held } = compileForward(readModel(file), { precision: 'f32' });
    assert.deepEqual(held, theta);
    const run = runOf(theta, inference);
    const tokens = { ...run.inputs.tokens, type: 'i64' as const, dims: [4, 16] };
    const data = BigInt64Array.from(Array.from(tokens.data as Int32Array, BigInt));
    const { outputs } = await runOnnx(file, [{ tokens: { ...tokens, data } }], TIMEOUT);
    const ours = await runGraph('wasm', inference, run);
    close(ours.logits?.data as Float32Array, outputs[0]?.logits?.data as Float32Array, 1e-5, 'logits');
    const tensors = readSafetensors(exportSafetensors(parameters, theta));
    assert.deepEqual(
      tensors.map(({ name, dims }) => ({ name, dims })),
      parameters.map(({ name, dims }) => ({ name, dims })),
    );
  });
});

/** The model with the true dimensions of its outputs, which ONNX Runtime checks. */
function declared(model: OnnxModel): OnnxModel {
  const { graph, outputs } = admit(model);
  return { ...model, outputs: outputs.map(({ name, value }) => ({ ...tensorOf(graph, value), name })) };
}

function undecayed(): CompileOptions['optimiser'] {
  const { parameters } = admit(charTransformer({ V: 256, T: 16, C: 64, L: 2, heads: 2, ffn: 128, B: 4 }));
  return { ...ADAMW, noDecay: parameters.filter(({ dims }) => dims.length === 1).map(({ name }) => name) };
}

function nesterov(): Partial<CompileOptions> {
  return { loss: 'mse', optimiser: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0.01 } };
}

function plain(): CompileOptions['optimiser'] {
  return { kind: 'sgd', momentum: 0, nesterov: false, weightDecay: 0.01 };
}
