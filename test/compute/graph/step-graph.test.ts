import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../../../src/base/bytes.ts';
import { type CompileOptions, compile } from '../../../src/compute/graph/compile.ts';
import { GraphError, type GraphErrorCode } from '../../../src/compute/graph/graph-error.ts';
import type { OnnxModel } from '../../../src/compute/graph/onnx.ts';
import { readModel } from '../../../src/compute/graph/onnx-read.ts';
import { writeModel } from '../../../src/compute/graph/onnx-write.ts';
import { formatLayout, parseLayout } from '../../../src/compute/graph/record.ts';
import { readStepGraph, stepGraphHash, writeStepGraph } from '../../../src/compute/graph/step-graph.ts';
import { charTransformer, DEV_TRANSFORMER } from '../../../src/compute/models/char-transformer.ts';
import { initialWeights } from '../../../src/compute/models/initial-weights.ts';
import { planStep } from '../../../src/compute/plan/planner.ts';

const OPTIONS: CompileOptions = {
  loss: 'cross-entropy',
  optimiser: { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0.01 },
  record: {
    bytes: 65,
    fields: [
      { input: 'tokens', type: 'u8', offset: 0 },
      { input: 'labels', type: 'u8', offset: 1 },
    ],
  },
};
const refused = (code: GraphErrorCode) => (error: unknown) => error instanceof GraphError && error.code === code;
const dev = charTransformer(DEV_TRANSFORMER);

describe('the dev model', () => {
  const { step, theta, cost } = compile(dev, OPTIONS);
  const plan = planStep(step);

  test('has 1,727,744 parameters, 27 mined nodes and 2.517 GMAC of which 96 % are mined', () => {
    assert.equal(theta.length / 4, 1_727_744);
    assert.equal(plan.mined.length, 27);
    const mined = plan.mined.reduce((sum, { m, n, k }) => sum + m * n * k, 0);
    assert.equal(mined, 2_516_582_400);
    assert.ok(mined / cost.macs > 0.96);
  });

  test('keeps its parameters in the order of the model, the head bias last', () => {
    const names = step.parameters.map(({ name }) => name);
    assert.deepEqual(names.slice(0, 4), ['wte', 'wpe', 'l0.ln1g', 'l0.ln1b']);
    assert.deepEqual(names.slice(-4), ['lnfg', 'lnfb', 'head', 'headb']);
  });

  test('starts from weights in [-0.0346, 0.0346), gains of one and biases of zero, drawn from the seed alone', () => {
    const weights = initialWeights(dev, new Uint8Array(32).fill(1));
    assert.deepEqual(initialWeights(dev, new Uint8Array(32).fill(1)), weights);
    assert.notDeepEqual(initialWeights(dev, new Uint8Array(32).fill(2)), weights);
    const values = new Float32Array(weights.buffer);
    const tables = values.subarray(0, 256 * 256 + 64 * 256);
    const mean = tables.reduce((sum, value) => sum + value, 0) / tables.length;
    assert.ok(tables.every((value) => Math.abs(value) <= Math.fround(0.0346)) && Math.abs(mean) < 2e-4);
    const [gains, biases] = [values.subarray(81_920, 82_176), values.subarray(82_176, 82_432)];
    assert.ok(gains.every((value) => value === 1) && biases.every((value) => value === 0));
    assert.ok(values.subarray(-256).every((value) => value === 0));
  });
});

describe('a step graph', () => {
  const { step, evaluation } = compile(dev, OPTIONS);
  const file = writeStepGraph(step);

  test('is the same file however often the model is compiled, and whatever its weights', () => {
    const trained = charTransformer(DEV_TRANSFORMER, initialWeights(dev, new Uint8Array(32).fill(4)));
    const again = compile(readModel(writeModel(trained)), OPTIONS);
    assert.equal(toHex(stepGraphHash(writeStepGraph(again.step))), toHex(stepGraphHash(file)));
  });

  test('comes back from its file as it was, and plans alike', () => {
    for (const compiled of [step, evaluation]) {
      const read = readStepGraph(writeStepGraph(compiled));
      assert.deepEqual(read.graph.nodes, compiled.graph.nodes);
      assert.deepEqual(planStep(read).steps, planStep(compiled).steps);
    }
  });

  const model = readModel(file);
  const tampered: readonly (readonly [string, GraphErrorCode, OnnxModel])[] = [
    ['another producer', 'NotAStepGraph', { ...model, producer: 'someone' }],
    [
      'a changed function body',
      'NotAStepGraph',
      { ...model, functions: model.functions.map((f) => ({ ...f, nodes: f.nodes.slice(0, -1) })) },
    ],
    ['a spare function', 'NotAStepGraph', { ...model, functions: [...model.functions, ...model.functions] }],
    [
      'a spare initialiser',
      'NotAStepGraph',
      {
        ...model,
        initializers: [...model.initializers, { name: 'spare', type: 'f32', dims: [], data: new Uint8Array(4) }],
      },
    ],
    ['no metadata', 'NotAStepGraph', { ...model, metadata: {} }],
    ['a missing node', 'UndefinedName', { ...model, nodes: model.nodes.slice(1) }],
    [
      'a foreign operator',
      'ForeignDomain',
      {
        ...model,
        nodes: [{ ...(model.nodes[0] as OnnxModel['nodes'][number]), domain: 'com.evil' }, ...model.nodes.slice(1)],
      },
    ],
    ['swapped outputs', 'NotAStepGraph', { ...model, outputs: model.outputs.toReversed() }],
  ];
  for (const [what, code, changed] of tampered) {
    test(`with ${what} is refused`, () => assert.throws(() => readStepGraph(writeModel(changed)), refused(code)));
  }

  test('whose moments change places is read but not planned', () => {
    const [theta, m, v, loss] = model.outputs as [OnnxModel['outputs'][number], ...OnnxModel['outputs']];
    const outputs = [theta, v, m, loss] as OnnxModel['outputs'];
    const read = readStepGraph(writeModel({ ...model, outputs }));
    assert.throws(() => planStep(read), refused('NotAStepGraph'));
  });

  test('with any byte changed is refused or still planned, never a crash', () => {
    const small = compile(charTransformer({ V: 8, T: 4, C: 8, L: 1, heads: 2, ffn: 8, B: 2 }), {
      ...OPTIONS,
      record: layout(4),
    });
    const bytes = writeStepGraph(small.step);
    for (let i = 0; i < 1_500; i++) {
      const at = Math.floor((i * bytes.length) / 1_500);
      try {
        planStep(readStepGraph(bytes.with(at, (bytes[at] as number) ^ (1 << (i % 8)))));
      } catch (error) {
        assert.ok(error instanceof GraphError, `byte ${at}: ${String(error)}`);
      }
    }
  });
});

function layout(tokens: number): NonNullable<CompileOptions['record']> {
  return parseLayout(`${tokens + 1} tokens:u8@0 labels:u8@1`);
}

describe('a record layout', () => {
  test('is a text that comes back as it was, whatever the inputs are called', () => {
    const awkward = { bytes: 9, fields: [{ input: 'a b:c@1', type: 'i32', offset: 4 } as const] };
    assert.deepEqual(parseLayout(formatLayout(awkward)), awkward);
  });

  test('that leaves an input empty, reads beyond the record or is no layout is refused', () => {
    const bad = [
      '65 tokens:u8@0',
      '65 tokens:u8@0 labels:u8@2',
      '64 tokens:u8@0 labels:u8@1',
      '65 tokens:f32@0 labels:u8@1',
    ];
    for (const text of bad)
      assert.throws(() => compile(dev, { ...OPTIONS, record: parseLayout(text) }), refused('BadRecord'));
    for (const text of ['', 'x', '65', '0 a:u8@0', '65 a:u9@0', '65 %:u8@0']) {
      assert.throws(() => parseLayout(text), refused('BadRecord'));
    }
  });
});
