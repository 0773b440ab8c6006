import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { loadKernels } from '../../../src/compute/engine/kernels-file.ts';
import { compile } from '../../../src/compute/graph/compile.ts';
import { GraphError } from '../../../src/compute/graph/graph-error.ts';
import { charTransformer } from '../../../src/compute/models/char-transformer.ts';
import { initialWeights } from '../../../src/compute/models/initial-weights.ts';
import { mlp } from '../../../src/compute/models/mlp.ts';
import { Arena } from '../../../src/compute/plan/arena.ts';
import { ExecutionError, StepExecutor } from '../../../src/compute/plan/executor.ts';
import { type GemmBackend, plainGemm } from '../../../src/compute/plan/gemm-backend.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';

const SMALL = { V: 96, T: 8, C: 64, L: 1, heads: 2, ffn: 64, B: 4 };
const LR_BITS = 0x3a83126f;
const compiled = compile(charTransformer(SMALL), {
  loss: 'cross-entropy',
  optimiser: { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0.01 },
  record: {
    bytes: 9,
    fields: [
      { input: 'tokens', type: 'u8', offset: 0 },
      { input: 'labels', type: 'u8', offset: 1 },
    ],
  },
});
const theta = initialWeights(charTransformer(SMALL), new Uint8Array(32).fill(3));
const batch = Uint8Array.from({ length: 36 }, (_, i) => (i * 7) % 96);
const seed = new Uint8Array(32).fill(5);

function executor(backend?: (plain: GemmBackend) => GemmBackend): StepExecutor {
  const kernels = loadKernels();
  const plan = planStep(compiled.step);
  const plain = plainGemm(kernels);
  const made = new StepExecutor(kernels, plan, backend ? backend(plain) : plain);
  made.load(theta);
  return made;
}

const isCode = (code: string) => (error: unknown) => error instanceof ExecutionError && error.code === code;

describe('a step', () => {
  test('depends on the state, the batch and its scalars alone', () => {
    const [a, b] = [executor(), executor()];
    b.run(
      9,
      seed.map((byte) => byte ^ 1),
      batch.map((byte) => (byte + 1) % 96),
      LR_BITS,
    );
    b.load(theta);
    for (let t = 1; t <= 3; t++) assert.deepEqual(a.run(t, seed, batch, LR_BITS), b.run(t, seed, batch, LR_BITS));
    assert.deepEqual(a.state(), b.state());
  });

  test('may be resumed from any state in between, on any executor', () => {
    const whole = executor();
    whole.run(1, seed, batch, LR_BITS);
    const kernels = referenceKernels(1 << 20);
    const resumed = new StepExecutor(kernels, planStep(compiled.step), plainGemm(kernels));
    resumed.load(whole.state());
    whole.run(2, seed, batch, LR_BITS);
    resumed.run(2, seed, batch, LR_BITS);
    assert.deepEqual(resumed.state(), whole.state());
  });

  test('draws other bits under another seed', () => {
    const [a, b] = [executor(), executor()];
    a.run(1, seed, batch, LR_BITS);
    b.run(1, new Uint8Array(32).fill(6), batch, LR_BITS);
    assert.notDeepEqual(a.state(), b.state());
  });

  test('gives every mined product to the backend, in the order of the transcript', () => {
    const calls: string[] = [];
    const recording = executor((plain) => ({
      multiply(call) {
        calls.push(`${call.node} ${call.m}x${call.n}x${call.k}`);
        plain.multiply(call);
      },
    }));
    recording.run(1, seed, batch, LR_BITS);
    const { mined } = planStep(compiled.step);
    assert.deepEqual(
      calls,
      mined.map(({ index, m, n, k }) => `${index} ${m}x${n}x${k}`),
    );
    assert.equal(mined.length, 15);
  });

  test('survives a backend that grows the memory', () => {
    const kernels = loadKernels();
    const plain = plainGemm(kernels);
    const growing = {
      multiply(call: Parameters<GemmBackend['multiply']>[0]) {
        kernels.grow(kernels.buffer.byteLength + 65_536);
        plain.multiply(call);
      },
    };
    const grown = new StepExecutor(kernels, planStep(compiled.step), growing);
    grown.load(theta);
    grown.run(1, seed, batch, LR_BITS);
    const still = executor();
    still.run(1, seed, batch, LR_BITS);
    assert.deepEqual(grown.state(), still.state());
  });

  test('refuses a token or a label outside its table', () => {
    for (const at of [0, 8])
      assert.throws(() => executor().run(1, seed, batch.with(at, 96), LR_BITS), isCode('InadmissibleBatch'));
  });

  test('refuses a state or a batch of another length', () => {
    assert.throws(() => executor().run(1, seed, batch.subarray(1), LR_BITS), isCode('WrongLength'));
    assert.throws(() => executor().load(theta.subarray(4)), isCode('WrongLength'));
    assert.throws(() => executor().load(new Uint8Array(16 * theta.length)), isCode('WrongLength'));
  });

  test('whose loss or state is not finite says so', () => {
    const void_ = executor();
    const poisoned = new Float32Array(theta.slice().buffer).fill(Number.NaN, 0, 96 * 64);
    void_.load(new Uint8Array(poisoned.buffer));
    assert.equal(void_.run(1, seed, batch, LR_BITS).finite, false);
    assert.equal(void_.isFinite(), false);
  });
});

describe('the planner', () => {
  test('keeps state, inputs, tables and everything else apart, and needs far less than no reuse would', () => {
    const plan = planStep(compiled.step);
    const total = [...compiled.step.graph.tensors.values()].reduce(
      (sum, { dims }) => sum + 4 * dims.reduce((n, d) => n * d, 1),
      0,
    );
    assert.ok(plan.bytes - plan.base < total, `${plan.bytes - plan.base} of ${total}`);
    assert.equal(plan.state.count * 4, theta.length);
    const ends = plan.inputs.map(({ offset, dims }) => [offset, offset + 4 * dims.reduce((n, d) => n * d, 1)] as const);
    assert.ok(ends.every(([from]) => from >= plan.state.offset + 3 * theta.length));
    assert.ok(plan.tables.every(({ offset, words }) => offset + words.byteLength <= plan.bytes));
  });

  test('refuses what the memory of the kernels cannot hold', () => {
    const large = compile(mlp({ widths: [16_384, 32_768, 16], B: 16 }), {
      loss: 'mse',
      optimiser: { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0 },
      limits: { macs: 2 ** 50, elements: 2 ** 40 },
    });
    assert.throws(
      () => planStep(large.step),
      (error) => error instanceof GraphError && error.code === 'CostTooHigh',
    );
  });

  test('never hands out a byte twice at a time', () => {
    const action = fc.record({ take: fc.boolean(), bytes: fc.integer({ min: 1, max: 5_000 }), which: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const arena = new Arena(1_000);
        const held: { at: number; bytes: number }[] = [];
        for (const { take, bytes, which } of actions) {
          if (take || held.length === 0) {
            const block = arena.take(bytes);
            assert.ok(block.bytes >= bytes && block.at % 64 === 0 && block.at + block.bytes <= arena.peak);
            for (const other of held)
              assert.ok(block.at >= other.at + other.bytes || other.at >= block.at + block.bytes);
            held.push(block);
          } else arena.give(held.splice(which % held.length, 1)[0] as { at: number; bytes: number });
        }
      }),
    );
  });
});
