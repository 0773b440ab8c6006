import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../../src/compute/graph/compile.ts';
import { GraphError, type GraphErrorCode } from '../../../src/compute/graph/graph-error.ts';
import { float, int, ints } from '../../../src/compute/graph/ir.ts';
import type { OnnxModel, OnnxNode, TensorValue } from '../../../src/compute/graph/onnx.ts';
import { readModel } from '../../../src/compute/graph/onnx-read.ts';
import { writeModel } from '../../../src/compute/graph/onnx-write.ts';
import { ProtoWriter } from '../../../src/compute/graph/protobuf.ts';
import { charTransformer } from '../../../src/compute/models/char-transformer.ts';
import { mlp } from '../../../src/compute/models/mlp.ts';
import { ModelWriter } from '../../../src/compute/models/model-writer.ts';

const ADAMW = { kind: 'adamw', b1: 0.9, b2: 0.95, eps: 1e-8, weightDecay: 0.01 } as const;
const admitFile = (file: Uint8Array): unknown => compile(readModel(file), { loss: 'mse', optimiser: ADAMW });

const base = mlp({ widths: [4, 8, 2], B: 2 });

/** A model that adds `build` to a parameter's path. */
function withNode(build: (w: ModelWriter, x: string) => string, ...dims: number[]): OnnxModel {
  const w = new ModelWriter('hostile');
  const x = w.input('x', 'f32', dims.length === 0 ? [4] : dims);
  const y = build(w, w.op('Mul', [x, w.parameter('p', 1)]));
  return w.finish({ name: y, type: 'f32', dims: [] });
}

const node = (op: string, attributes: OnnxNode['attributes'] = {}, domain = ''): OnnxNode => ({
  ...{ name: `bad ${op}`, op, domain, inputs: ['y'], outputs: ['z'], attributes },
});

/** The MLP with one more node after its output. */
const followedBy = (extra: OnnxNode): OnnxModel => ({
  ...base,
  nodes: [...base.nodes, extra],
  outputs: [{ name: 'z', type: 'f32', dims: [2, 2] }],
});

/** A model message with one raw field of its graph: what our writer would never write. */
function withGraphField(write: (graph: ProtoWriter) => void): Uint8Array {
  const out = new ProtoWriter();
  out.int64(1, 8);
  out.message(7, write);
  out.message(8, (opset) => opset.int64(2, 17));
  return out.finish();
}

/** An initialiser with these dims and one extra field. */
function withTensor(dims: readonly number[], write: (tensor: ProtoWriter) => void): Uint8Array {
  return withGraphField((graph) =>
    graph.message(5, (tensor) => {
      tensor.int64s(1, dims);
      tensor.int64(2, 1);
      tensor.string(8, 'w');
      write(tensor);
    }),
  );
}

function withInitializers(...initializers: TensorValue[]): OnnxModel {
  return { ...base, initializers: [...base.initializers, ...initializers] };
}

const tensor = (name: string, dims: number[], values: number[]): TensorValue => ({
  ...{ name, type: 'f32', dims, data: new Uint8Array(Float32Array.from(values).buffer) },
});

function subgraph(): Uint8Array {
  return withGraphField((graph) =>
    graph.message(1, (inner) => {
      inner.string(1, 'x');
      inner.string(2, 'y');
      inner.string(4, 'Loop');
      inner.message(5, (attribute) => {
        attribute.string(1, 'body');
        attribute.message(6, (body) => body.string(2, 'forever'));
        attribute.int64(20, 5);
      });
    }),
  );
}

function withDims(...dims: number[]): Uint8Array {
  const w = new ModelWriter('huge');
  return writeModel(w.finish({ name: w.op('Relu', [w.input('x', 'f32', dims)]), type: 'f32', dims }));
}

/** Doubles a constant n times: 2^n elements if it were folded. */
function foldingBomb(): OnnxModel {
  return withNode((w, x) => {
    let c = w.constant('f32', [2], [1, 2]);
    for (let i = 0; i < 30; i++) c = w.op('Concat', [c, c], { axis: int(0) });
    return w.op('ReduceSum', [w.op('Add', [c, w.op('ReduceSum', [x, w.list(0)])]), w.list(0)]);
  });
}

const HOSTILE: readonly (readonly [string, GraphErrorCode, Uint8Array | OnnxModel])[] = [
  ['noise', 'MalformedProtobuf', Uint8Array.from({ length: 999 }, (_, i) => (i * 131 + 7) & 0xff)],
  ['an empty file', 'MalformedProtobuf', new Uint8Array(0)],
  ['a truncated file', 'MalformedProtobuf', writeModel(base).subarray(0, 200)],
  ['a file beyond 64 MiB', 'TooLarge', new Uint8Array(64 * 1024 * 1024 + 1)],
  ['a length beyond its message', 'MalformedProtobuf', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f)],
  ['an endless varint', 'MalformedProtobuf', new Uint8Array(40).fill(0xff)],
  ['a group, which protobuf has abandoned', 'MalformedProtobuf', Uint8Array.of(0x3b, 0x3c)],
  [
    'a name that is not UTF-8',
    'MalformedProtobuf',
    withGraphField((graph) => graph.bytes(2, Uint8Array.of(0xc3, 0x28))),
  ],
  ['external data', 'ExternalData', withTensor([2], (t) => t.message(13, (entry) => entry.string(1, 'location')))],
  ['external data without a location', 'ExternalData', withTensor([2], (t) => t.int64(14, 1))],
  ['a sparse initialiser', 'SparseTensor', withGraphField((graph) => graph.message(15, () => {}))],
  ['a Loop with a body', 'Subgraph', subgraph()],
  ['a Loop without a body', 'NotInVersion1', followedBy(node('Loop'))],
  ['RandomNormal', 'NotInVersion1', followedBy(node('RandomNormal', { shape: ints([2, 2]) }))],
  ['Dropout', 'NotInVersion1', followedBy(node('Dropout'))],
  ['Conv', 'NotInVersion1', followedBy(node('Conv'))],
  ['BatchNormalization', 'NotInVersion1', followedBy(node('BatchNormalization'))],
  ['an unlisted operator', 'UnknownOperator', followedBy(node('Tile'))],
  ['an operator named like a property of every object', 'UnknownOperator', followedBy(node('constructor'))],
  ['a foreign domain', 'ForeignDomain', followedBy(node('Relu', {}, 'com.evil'))],
  ['a call of our own functions', 'ForeignDomain', followedBy(node('CPowGemm', {}, 'io.mai.cpow'))],
  [
    'a function',
    'FunctionNotAllowed',
    { ...base, functions: [{ name: 'F', domain: 'f', inputs: [], outputs: [], attributes: [], nodes: [] }] },
  ],
  ['training information', 'TrainingInfo', trainingInfo()],
  ['an opset of the future', 'BadOpset', { ...base, opsets: [{ domain: '', version: 99 }] }],
  ['two opsets', 'BadOpset', { ...base, opsets: [...base.opsets, ...base.opsets] }],
  ['a shape of 2^40 elements', 'ShapeTooLarge', withDims(2 ** 20, 2 ** 20)],
  ['a negative axis', 'ShapeTooLarge', withDims(-4)],
  ['axes whose product overflows', 'ShapeTooLarge', withDims(2 ** 31, 2 ** 31, 2)],
  ['too many axes', 'ShapeTooLarge', withDims(1, 1, 1, 1, 1, 1, 1)],
  ['an initialiser larger than its data', 'BadTensor', withTensor([2 ** 20, 64], (t) => t.bytes(9, new Uint8Array(8)))],
  ['an expansion bomb', 'ShapeTooLarge', withNode((w, x) => w.op('Expand', [x, w.list(2 ** 20, 2 ** 20, 4)]))],
  [
    'a filling bomb',
    'CostTooHigh',
    withNode((w, x) => w.op('Add', [w.op('ConstantOfShape', [w.list(2 ** 15, 2 ** 14, 4)]), x])),
  ],
  ['a folding bomb', 'CostTooHigh', foldingBomb()],
  ['a product of 2^48 multiplications', 'CostTooHigh', productBomb()],
  ['a dynamic batch', 'DynamicShape', { ...base, inputs: [{ name: 'x', type: 'f32', dims: ['batch', 4] }] }],
  ['a reshape by data', 'NotConstant', reshapeByData()],
  ['two initialisers of one name', 'DuplicateName', withInitializers(tensor('w1', [1], [0]))],
  ['two values of one name', 'DuplicateName', followedBy({ ...node('Relu'), outputs: ['y'] })],
  ['two inputs of one name', 'DuplicateName', { ...base, inputs: [...base.inputs, ...base.inputs] }],
  ['an attribute twice', 'DuplicateName', attributeTwice()],
  ['a value nobody defines', 'UndefinedName', followedBy({ ...node('Relu'), inputs: ['nowhere'] })],
  ['a cycle', 'UndefinedName', followedBy({ ...node('Add'), inputs: ['y', 'z'] })],
  ['operands that do not fit', 'ShapeMismatch', followedBy({ ...node('MatMul'), inputs: ['y', 'w1'] })],
  ['half floats', 'UnsupportedType', withGraphField((graph) => graph.message(5, (t) => t.int64(2, 10)))],
  ['strings', 'UnsupportedType', withGraphField((graph) => graph.message(5, (t) => t.int64(2, 8)))],
  ['an index outside its table', 'BadTensor', withNode((w, x) => w.op('Gather', [x, w.constant('i64', [1], [4])]))],
  ['arithmetic on integers of the data', 'UnsupportedType', integerArithmetic()],
  ['a softmax without an axis to speak of', 'BadAttribute', followedBy(node('Softmax', { axis: int(7) }))],
  ['an attribute of another type', 'BadAttribute', followedBy(node('Softmax', { axis: float(1) }))],
  ['a general power', 'NotInVersion1', withNode((w, x) => w.op('Pow', [x, w.number(1.5)]))],
  ['an input with a reserved name', 'BadName', reservedName()],
  ['a name of a thousand bytes', 'BadName', followedBy({ ...node('Relu'), outputs: ['z'.repeat(1_000)] })],
  ['no parameters', 'NoGradient', withDims(2, 2)],
  ['more nodes than any model', 'TooManyNodes', manyNodes()],
];

function trainingInfo(): Uint8Array {
  const out = new ProtoWriter();
  out.message(20, () => {});
  return out.finish();
}

function productBomb(): OnnxModel {
  const w = new ModelWriter('product');
  const [a, b] = [w.input('a', 'f32', [2 ** 14, 2 ** 16]), w.input('b', 'f32', [2 ** 16, 2 ** 14])];
  return w.finish({ name: w.op('Mul', [w.op('MatMul', [a, b]), w.parameter('p', 1)]), type: 'f32', dims: [] });
}

function reshapeByData(): OnnxModel {
  const w = new ModelWriter('reshape');
  const shape = w.input('shape', 'i64', [2]);
  return w.finish({ name: w.op('Reshape', [w.parameter('p', 4), shape]), type: 'f32', dims: [] });
}

function attributeTwice(): Uint8Array {
  return withGraphField((graph) =>
    graph.message(1, (inner) => {
      for (let i = 0; i < 2; i++) {
        inner.message(5, (attribute) => {
          attribute.string(1, 'axis');
          attribute.int64(3, i);
          attribute.int64(20, 2);
        });
      }
    }),
  );
}

function integerArithmetic(): OnnxModel {
  const w = new ModelWriter('integers');
  const tokens = w.input('tokens', 'i64', [4]);
  const next = w.op('Add', [tokens, w.constant('i64', [], [1])]);
  return w.finish({ name: w.op('Gather', [w.parameter('p', 9, 3), next]), type: 'f32', dims: [] });
}

function reservedName(): OnnxModel {
  const w = new ModelWriter('reserved');
  return w.finish({ name: w.op('Mul', [w.input('theta', 'f32', [4]), w.parameter('p', 4)]), type: 'f32', dims: [] });
}

function manyNodes(): OnnxModel {
  const nodes = Array.from({ length: 20_001 }, (_, i) => ({
    ...node('Relu'),
    inputs: [i === 0 ? 'y' : `z${i - 1}`],
    outputs: [`z${i}`],
  }));
  return { ...base, nodes: [...base.nodes, ...nodes] };
}

describe('a hostile model is refused by name, within two seconds of one core, before any runtime sees it:', () => {
  for (const [name, code, model] of HOSTILE) {
    test(`${name} is ${code}`, () => {
      const file = model instanceof Uint8Array ? model : writeModel(model);
      const start = process.cpuUsage();
      assert.throws(
        () => admitFile(file),
        (error) => error instanceof GraphError && error.code === code,
      );
      const { user, system } = process.cpuUsage(start);
      // Of this process alone: how busy the machine is says nothing about the model.
      assert.ok(user + system < 2_000_000);
    });
  }
});

describe('whatever bytes arrive,', () => {
  const files = [
    writeModel(mlp({ widths: [4, 8, 2], B: 2 })),
    writeModel(charTransformer({ V: 8, T: 4, C: 8, L: 1, heads: 2, ffn: 8, B: 2 })),
  ];

  test('a model with flipped, cut, doubled or moved bytes is admitted or refused, never a crash', () => {
    const dice = random(20_250_101);
    let refused = 0;
    for (let round = 0; round < 4_000; round++) {
      const file = mutated(files[round % files.length] as Uint8Array, dice);
      try {
        admitFile(file);
      } catch (error) {
        assert.ok(error instanceof GraphError, `round ${round}: ${String(error)}`);
        refused++;
      }
    }
    assert.ok(refused > 1_000);
  });
});

/** Integers below n, from a seed that a failure prints by its round. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function mutated(file: Uint8Array, dice: (n: number) => number): Uint8Array {
  const out = file.slice();
  for (let i = dice(4); i >= 0; i--) {
    const at = dice(out.length);
    if (dice(3) === 0) out[at] = dice(256);
    else if (dice(2) === 0) out[at] = (out[at] as number) ^ (1 << dice(8));
    else out.copyWithin(at, dice(out.length), dice(out.length));
  }
  return dice(8) === 0 ? out.subarray(0, dice(out.length)) : out;
}
