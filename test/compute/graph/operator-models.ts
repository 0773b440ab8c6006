/** One small model per operator and shape of use: what gradients and imports are checked on. */

import { float, int, ints } from '../../../src/compute/graph/ir.ts';
import type { OnnxModel } from '../../../src/compute/graph/onnx.ts';
import { ModelWriter } from '../../../src/compute/models/model-writer.ts';

export interface OperatorModel {
  readonly name: string;
  readonly model: OnnxModel;
  /** Added to every parameter, to stay where the operator is smooth. */
  readonly shift: number;
}

type Build = (w: ModelWriter) => string;

const CASES: readonly (readonly [string, Build, number?])[] = [
  ['Add of equal shapes', (w) => w.op('Add', [w.parameter('a', 3, 4), w.parameter('b', 3, 4)])],
  ['Add of a row', (w) => w.op('Add', [w.parameter('a', 2, 3, 4), w.parameter('b', 4)])],
  ['Add of a table over a batch', (w) => w.op('Add', [w.parameter('a', 2, 3, 4), w.parameter('b', 3, 4)])],
  ['Add of a column', (w) => w.op('Add', [w.parameter('a', 3, 4), w.parameter('b', 3, 1)])],
  ['Add of a middle axis', (w) => w.op('Add', [w.parameter('a', 2, 3, 4), w.parameter('b', 2, 1, 4)])],
  ['Add of two that both repeat', (w) => w.op('Add', [w.parameter('a', 3, 1), w.parameter('b', 1, 4)])],
  ['Sub of a row from a matrix', (w) => w.op('Sub', [w.parameter('a', 3, 4), w.parameter('b', 4)])],
  ['Sub of a matrix from a row', (w) => w.op('Sub', [w.parameter('a', 4), w.parameter('b', 3, 4)])],
  ['Sub of a constant', (w) => w.op('Sub', [w.number(2), w.parameter('a', 5)])],
  ['Mul', (w) => w.op('Mul', [w.parameter('a', 3, 4), w.parameter('b', 3, 4)])],
  ['Mul of a scalar parameter', (w) => w.op('Mul', [w.parameter('a', 3, 4), w.parameter('b', 1)])],
  ['Mul of a value by itself', (w) => square(w, w.parameter('a', 3, 4))],
  ['Div', (w) => w.op('Div', [w.parameter('a', 3, 4), w.parameter('b', 4)]), 2],
  ['Div of a constant', (w) => w.op('Div', [w.number(3), w.parameter('a', 4)]), 2],
  ['Reciprocal', (w) => w.op('Reciprocal', [w.parameter('a', 4)]), 2],
  ['Max and Min', (w) => w.op('Min', [w.op('Max', [w.parameter('a', 7), w.parameter('b', 7)]), w.parameter('c', 7)])],
  ['Clip', (w) => w.op('Clip', [w.parameter('a', 9), w.number(-0.3), w.number(0.4)])],
  ['Where', (w) => w.op('Where', [w.constant('bool', [4], [1, 0, 0, 1]), w.parameter('a', 3, 4), w.parameter('b', 4)])],
  ['Where on a comparison', (w) => compare(w)],
  ['Neg', (w) => w.op('Neg', [w.parameter('a', 5)])],
  ['Abs', (w) => w.op('Abs', [w.parameter('a', 9)])],
  ['Sqrt', (w) => w.op('Sqrt', [w.parameter('a', 5)]), 2],
  ['Exp', (w) => w.op('Exp', [w.parameter('a', 5)])],
  ['Log', (w) => w.op('Log', [w.parameter('a', 5)]), 2],
  ['Pow 2, 3, 0.5', (w) => powers(w), 2],
  ['Tanh', (w) => w.op('Tanh', [w.parameter('a', 9)])],
  ['Sigmoid', (w) => w.op('Sigmoid', [w.parameter('a', 9)])],
  ['Erf', (w) => w.op('Erf', [w.parameter('a', 9)])],
  ['Relu', (w) => w.op('Relu', [w.parameter('a', 9)])],
  ['Gelu, tanh form', (w) => w.geluTanh(w.parameter('a', 9))],
  ['Gelu, erf form', (w) => geluErf(w, w.parameter('a', 9))],
  ['Silu', (w) => silu(w, w.parameter('a', 9))],
  ['Softmax', (w) => w.op('Softmax', [w.parameter('a', 3, 5)], { axis: int(-1) })],
  ['Softmax of another axis', (w) => w.op('Softmax', [w.parameter('a', 2, 4, 3)], { axis: int(1) })],
  ['LayerNormalization', (w) => norm(w, w.parameter('a', 2, 3, 8))],
  ['MatMul of matrices', (w) => w.op('MatMul', [w.parameter('a', 3, 5), w.parameter('b', 5, 4)])],
  ['MatMul of a batch by a matrix', (w) => w.op('MatMul', [w.parameter('a', 2, 3, 5), w.parameter('b', 5, 4)])],
  ['MatMul of batches', (w) => w.op('MatMul', [w.parameter('a', 2, 3, 5), w.parameter('b', 2, 5, 4)])],
  ['MatMul with repeated batches', (w) => w.op('MatMul', [w.parameter('a', 2, 1, 3, 5), w.parameter('b', 4, 5, 2)])],
  ['MatMul of a matrix by a batch', (w) => w.op('MatMul', [w.parameter('a', 3, 5), w.parameter('b', 2, 5, 4)])],
  ['MatMul of a turned operand', (w) => w.op('MatMul', [w.parameter('a', 3, 5), turn(w, w.parameter('b', 4, 5))])],
  ['MatMul of vectors', (w) => w.op('MatMul', [w.parameter('a', 5), w.parameter('b', 5, 3)])],
  ['Gemm', (w) => gemm(w)],
  ['ReduceSum of inner axes', (w) => sum(w, w.parameter('a', 2, 3, 4), [1, 2], 0)],
  ['ReduceSum of outer axes', (w) => sum(w, w.parameter('a', 2, 3, 4), [0], 1)],
  ['ReduceSum of outer and inner axes', (w) => sum(w, w.parameter('a', 2, 3, 4), [0, 2], 0)],
  ['ReduceMean', (w) => w.op('ReduceMean', [w.parameter('a', 2, 3, 4)], { axes: ints([1]), keepdims: int(1) })],
  ['ReduceMax', (w) => w.op('ReduceMax', [w.parameter('a', 2, 3, 4)], { axes: ints([1]), keepdims: int(0) })],
  ['ReduceMax of rows', (w) => w.op('ReduceMax', [w.parameter('a', 3, 4)], { axes: ints([-1]), keepdims: int(1) })],
  ['Transpose', (w) => w.op('Transpose', [square(w, w.parameter('a', 2, 3, 4))], { perm: ints([2, 0, 1]) })],
  ['Reshape', (w) => w.op('Reshape', [square(w, w.parameter('a', 2, 6)), w.list(3, -1)])],
  ['Flatten, Unsqueeze, Squeeze', (w) => flat(w)],
  ['Concat of inner axes', (w) => join(w, 1)],
  ['Concat of the outer axis', (w) => join(w, 0)],
  ['Split', (w) => cut(w)],
  ['Split with an unused part', (w) => w.op('Exp', [parts(w, w.parameter('a', 2, 6))[1] as string])],
  ['Slice', (w) => w.op('Slice', [square(w, w.parameter('a', 4, 6)), w.list(1, -5), w.list(3, 99), w.list(0, 1)])],
  ['Expand', (w) => w.op('Expand', [square(w, w.parameter('a', 3, 1)), w.list(2, 3, 4)])],
  ['Gather of rows', (w) => w.op('Gather', [w.parameter('a', 5, 3), w.constant('i64', [2, 2], [4, 1, 4, 0])])],
  [
    'Gather of one column',
    (w) => w.op('Gather', [square(w, w.parameter('a', 2, 3, 4)), w.constant('i64', [], [-1])], { axis: int(1) }),
  ],
  [
    'Gather along an inner axis',
    (w) => w.op('Gather', [w.parameter('a', 2, 5), w.constant('i64', [3], [4, 1, 4])], { axis: int(1) }),
  ],
  [
    'SoftmaxCrossEntropyLoss',
    (w) => w.op('SoftmaxCrossEntropyLoss', [w.parameter('a', 3, 5), w.constant('i64', [3], [4, 0, 2])]),
  ],
  ['a value that is used three times', (w) => thrice(w)],
];

const square = (w: ModelWriter, x: string): string => w.op('Mul', [x, x]);
const silu = (w: ModelWriter, x: string): string => w.op('Mul', [x, w.op('Sigmoid', [x])]);
const turn = (w: ModelWriter, x: string): string => w.op('Transpose', [x], { perm: ints([1, 0]) });

function compare(w: ModelWriter): string {
  const [a, b] = [w.parameter('a', 6), w.parameter('b', 6)];
  return w.op('Where', [w.op('Less', [a, b]), square(w, a), b]);
}

function powers(w: ModelWriter): string {
  const x = w.parameter('a', 4);
  const [two, three, half] = [2, 3, 0.5].map((power) => w.op('Pow', [x, w.number(power)])) as [string, string, string];
  return w.op('Add', [w.op('Add', [two, three]), half]);
}

export function geluErf(w: ModelWriter, x: string): string {
  const gate = w.op('Add', [w.op('Erf', [w.op('Div', [x, w.number(Math.SQRT2)])]), w.number(1)]);
  return w.op('Mul', [w.op('Mul', [x, gate]), w.number(0.5)]);
}

function norm(w: ModelWriter, x: string): string {
  return w.op('LayerNormalization', [x, w.parameter('g', 8), w.parameter('h', 8)], { epsilon: float(1e-3) });
}

function gemm(w: ModelWriter): string {
  const inputs = [w.parameter('a', 5, 3), w.parameter('b', 4, 5), w.parameter('c', 4)];
  return w.op('Gemm', inputs, { transA: int(1), transB: int(1), alpha: float(0.5), beta: float(2) });
}

function sum(w: ModelWriter, x: string, axes: number[], keepdims: number): string {
  return w.op('ReduceSum', [square(w, x), w.list(...axes)], { keepdims: int(keepdims) });
}

function flat(w: ModelWriter): string {
  const x = w.op('Unsqueeze', [square(w, w.parameter('a', 2, 3)), w.list(0, 3)]);
  return w.op('Flatten', [w.op('Squeeze', [x, w.list(3)])], { axis: int(2) });
}

function join(w: ModelWriter, axis: number): string {
  const [a, b] = [w.parameter('a', 2, 3), w.parameter('b', 2, 3)];
  return w.op('Concat', [square(w, a), b, a], { axis: int(axis) });
}

function parts(w: ModelWriter, x: string): readonly string[] {
  return w.ops('Split', [x, w.list(1, 2, 3)], { axis: int(1) }, ['p', 'q', 'r']);
}

function cut(w: ModelWriter): string {
  const [p, q, r] = parts(w, w.parameter('a', 2, 6)) as [string, string, string];
  return w.op('Concat', [w.op('Exp', [r]), square(w, p), q], { axis: int(1) });
}

function thrice(w: ModelWriter): string {
  const x = w.op('Tanh', [w.parameter('a', 6)]);
  return w.op('Add', [square(w, x), w.op('Mul', [x, w.parameter('b', 6)])]);
}

/** Every case as a model whose one output is the bare result. */
export function operatorModels(): readonly OperatorModel[] {
  return CASES.map(([name, build, shift = 0]) => {
    const w = new ModelWriter(name);
    const y = build(w);
    return { name, model: w.finish({ name: y, type: 'f32', dims: [] }), shift };
  });
}

/** The case's result weighted by fixed numbers and summed: a scalar loss whose gradient is no constant. */
export function scalarLoss({ name, model }: OperatorModel, dims: readonly number[]): OnnxModel {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const w = new ModelWriter(name);
  const weights = w.constant(
    'f32',
    dims,
    Array.from({ length: n }, (_, i) => Math.cos(1 + 2 * i)),
  );
  const [output] = model.outputs;
  const product = w.op('Mul', [output?.name ?? '', weights], {}, 'weighted');
  const flatSum = w.op('Reshape', [product, w.list(-1)], {}, 'weighted.flat');
  const loss = w.op('ReduceSum', [flatSum, w.list(0)], { keepdims: int(0) }, 'the.loss');
  const tail = w.finish({ name: loss, type: 'f32', dims: [] });
  // The two writers number their nodes alike: the tail's names are made distinct.
  const rename = (name: string): string => (name === output?.name ? name : `tail/${name}`);
  const nodes = tail.nodes.map((node) => ({
    ...node,
    name: rename(node.name),
    inputs: node.inputs.map((each) => (each === output?.name ? each : rename(each))),
    outputs: node.outputs.map(rename),
  }));
  return { ...model, nodes: [...model.nodes, ...nodes], outputs: [{ name: rename(loss), type: 'f32', dims: [] }] };
}
