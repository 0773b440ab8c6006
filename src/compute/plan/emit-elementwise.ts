/**
 * # Emission of elementwise operators, moves and reductions.
 *
 * Always true: repetition of an operand is a kernel argument where the kernel knows it (a scalar, a row, a column),
 * else a strided copy to scratch; either way each output element is the one operation that the graph names.
 */
import { must } from '../../base/assert.ts';
import { BINARY, GRADIENT, type KernelCalls, UNARY } from '../canonical/kernels.ts';
import { type Axis, sumShape } from '../canonical/shapes.ts';
import { broadcastStrides, rowMajor } from '../graph/fold.ts';
import { integersOf, type Node, numberOf } from '../graph/ir.ts';
import { elements } from '../graph/onnx.ts';
import type { OpName } from '../graph/ops.ts';
import type { EmitNode, Emitter } from './emitter.ts';
import { bytesOf } from './storage.ts';

/** The kernel's operator, and the one that computes the same with its operands exchanged. */
const BINARY_OPS: Partial<Record<OpName, readonly [number, number]>> = {
  Add: [BINARY.add, BINARY.add],
  Sub: [BINARY.sub, BINARY.subFrom],
  Mul: [BINARY.mul, BINARY.mul],
  Div: [BINARY.div, BINARY.divInto],
  Max: [BINARY.max, BINARY.max],
  Min: [BINARY.min, BINARY.min],
  Less: [BINARY.less, BINARY.greater],
  LessOrEqual: [BINARY.lessOrEqual, BINARY.greaterOrEqual],
  Greater: [BINARY.greater, BINARY.less],
  GreaterOrEqual: [BINARY.greaterOrEqual, BINARY.lessOrEqual],
  Equal: [BINARY.equal, BINARY.equal],
};

const UNARY_OPS: Partial<Record<OpName, number>> = {
  Neg: UNARY.neg,
  Abs: UNARY.abs,
  Sqrt: UNARY.sqrt,
  Exp: UNARY.exp,
  Log: UNARY.log,
  Tanh: UNARY.tanh,
  Sigmoid: UNARY.sigmoid,
  Erf: UNARY.erf,
  Relu: UNARY.relu,
  Gelu: UNARY.gelu,
  GeluErf: UNARY.geluErf,
  Silu: UNARY.silu,
};

const GRADIENT_OPS: Partial<Record<OpName, number>> = {
  ReluGrad: GRADIENT.relu,
  TanhGrad: GRADIENT.tanh,
  SigmoidGrad: GRADIENT.sigmoid,
  ErfGrad: GRADIENT.erf,
  GeluGrad: GRADIENT.gelu,
  GeluErfGrad: GRADIENT.geluErf,
  SiluGrad: GRADIENT.silu,
};

const entries = <T>(table: Partial<Record<OpName, T>>): [OpName, T][] => Object.entries(table) as [OpName, T][];

export const ELEMENTWISE: Partial<Record<OpName, EmitNode>> = {
  ...Object.fromEntries(entries(BINARY_OPS).map(([op, codes]) => [op, (e: Emitter, n: Node) => binary(e, n, codes)])),
  ...Object.fromEntries(entries(UNARY_OPS).map(([op, code]) => [op, (e: Emitter, n: Node) => unary(e, n, code)])),
  ...Object.fromEntries(entries(GRADIENT_OPS).map(([op, code]) => [op, (e: Emitter, n: Node) => slope(e, n, code)])),
  Where: where,
  Expand: expand,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  // A reshape or cast that is no alias reads a constant.
  Reshape: (e, node) => e.move(e.at(output(node)), e.at(input(node)), e.count(output(node))),
  Cast: (e, node) => e.move(e.at(output(node)), e.at(input(node)), e.count(output(node))),
  ReduceSum: (e, node) => reduce(e, node, 'rowSum'),
  ReduceMean: (e, node) => reduce(e, node, 'rowMean'),
  ReduceMax: (e, node) => reduce(e, node, 'rowMax'),
};

const input = (node: Node, i = 0): string => must(node.inputs[i], 'an operand');
const output = (node: Node, i = 0): string => must(node.outputs[i], 'a result');

function unary(e: Emitter, node: Node, code: number): void {
  e.call('unary', code, e.at(output(node)), e.at(input(node)), e.count(output(node)));
}

function slope(e: Emitter, node: Node, code: number): void {
  e.call('gradient', code, e.at(output(node)), e.at(input(node)), e.at(input(node, 1)), e.count(output(node)));
}

function binary(e: Emitter, node: Node, [code, exchanged]: readonly [number, number]): void {
  const [a, b] = [input(node), input(node, 1)];
  const dims = e.dims(output(node));
  if (e.count(a) >= e.count(b)) pair(e, node, code, a, b, dims);
  else pair(e, node, exchanged, b, a, dims);
}

/** out = a op b where `a` is the larger operand. */
function pair(e: Emitter, node: Node, code: number, a: string, b: string, dims: readonly number[]): void {
  const out = e.at(output(node));
  const n = elements(dims);
  const left = e.full(a, dims);
  const repeat = repetition(e.dims(b), dims);
  const scalar = e.scalar(b);
  if (scalar !== undefined) e.call('binaryScalar', code, out, left, scalar, n);
  else if (repeat === 'none') e.call('binary', code, out, left, e.at(b), n);
  else if (repeat === 'rows') e.call('binaryRow', code, out, left, e.at(b), n / e.count(b), e.count(b));
  else if (repeat === 'columns') e.call('binaryColumn', code, out, left, e.at(b), e.count(b), n / e.count(b));
  else e.call('binary', code, out, left, e.full(b, dims), n);
}

/** How an operand is repeated over `full` dimensions: as rows of a matrix, along its columns, or otherwise. */
function repetition(dims: readonly number[], full: readonly number[]): 'none' | 'rows' | 'columns' | 'other' {
  const own = [...Array(full.length - dims.length).fill(1), ...dims] as number[];
  const long = full.flatMap((size, i) => (size === 1 ? [] : [own[i] === size]));
  if (long.every((held) => held)) return 'none';
  if (long.indexOf(true) >= 0 && !long.slice(long.indexOf(true)).includes(false)) return 'rows';
  if (long.indexOf(false) >= 0 && !long.slice(long.indexOf(false)).includes(true)) return 'columns';
  return 'other';
}

function where(e: Emitter, node: Node): void {
  const dims = e.dims(output(node));
  const [condition, a, b] = node.inputs.map((name) => e.full(name, dims));
  e.call('where', e.at(output(node)), must(condition, 'c'), must(a, 'a'), must(b, 'b'), elements(dims));
}

function expand(e: Emitter, node: Node): void {
  const dims = e.dims(output(node));
  const inStrides = broadcastStrides(e.dims(input(node)), dims);
  e.copy(e.at(output(node)), e.at(input(node)), { sizes: dims, outStrides: rowMajor(dims), inStrides });
}

function transpose(e: Emitter, node: Node): void {
  const dims = e.dims(output(node));
  const strides = rowMajor(e.dims(input(node)));
  const inStrides = integersOf(node, 'perm').map((axis) => strides[axis] as number);
  e.copy(e.at(output(node)), e.at(input(node)), { sizes: dims, outStrides: rowMajor(dims), inStrides });
}

/** Blocks of a value along an axis: `outer` runs of `width` elements, `row` elements apart in the whole. */
function runs(dims: readonly number[], axis: number): { outer: number; width: number } {
  return { outer: elements(dims.slice(0, axis)), width: elements(dims.slice(axis)) };
}

function concat(e: Emitter, node: Node): void {
  const axis = numberOf(node, 'axis');
  const { outer, width: row } = runs(e.dims(output(node)), axis);
  const out = e.at(output(node)) as number;
  let column = 0;
  for (const name of node.inputs) {
    const { width } = runs(e.dims(name), axis);
    const to = out + 4 * column;
    if (outer === 1) e.move(to, e.at(name), width);
    else e.copy(to, e.at(name), { sizes: [outer, width], outStrides: [row, 1], inStrides: [width, 1] });
    column += width;
  }
}

function split(e: Emitter, node: Node): void {
  const axis = numberOf(node, 'axis');
  const { outer, width: row } = runs(e.dims(input(node)), axis);
  const from = e.dense(input(node));
  let column = 0;
  for (const name of node.outputs) {
    const { width } = runs(e.dims(name), axis);
    const shape = { sizes: [outer, width], outStrides: [width, 1], inStrides: [row, 1] };
    e.copy(e.at(name), from + 4 * column, shape);
    column += width;
  }
}

function slice(e: Emitter, node: Node): void {
  const strides = rowMajor(e.dims(input(node)));
  const inStrides = [...strides];
  let start = 0;
  integersOf(node, 'axes').forEach((axis, i) => {
    start += (strides[axis] as number) * (integersOf(node, 'starts')[i] as number);
    inStrides[axis] = (strides[axis] as number) * (integersOf(node, 'steps')[i] as number);
  });
  const sizes = e.dims(output(node));
  e.copy(e.at(output(node)), e.dense(input(node)) + 4 * start, { sizes, outStrides: rowMajor(sizes), inStrides });
}

type RowKernel = Extract<keyof KernelCalls, 'rowSum' | 'rowMean' | 'rowMax'>;

function reduce(e: Emitter, node: Node, kernel: RowKernel): void {
  const dims = e.dims(input(node));
  const strides = rowMajor(dims);
  const axes = integersOf(node, 'axes');
  const axis = (i: number): Axis => ({ size: dims[i] as number, stride: strides[i] as number });
  const long = [...dims.keys()].filter((i) => dims[i] !== 1);
  const reduced = long.filter((i) => axes.includes(i)).map(axis);
  const kept = long.filter((i) => !axes.includes(i)).map(axis);
  const n = elements(reduced.map(({ size }) => size));
  const rows = elements(kept.map(({ size }) => size));
  const [out, x] = [e.at(output(node)), e.at(input(node))];
  const isRows = reduced.every(({ stride }) => kept.every((other) => other.stride > stride));
  if (isRows) e.call(kernel, out, x, rows, n);
  else if (kernel === 'rowMax') {
    const turned = e.scratch(bytesOf(dims));
    const order = [...kept, ...reduced];
    const sizes = order.map(({ size }) => size);
    e.copy(turned, x, { sizes, outStrides: rowMajor(sizes), inStrides: order.map(({ stride }) => stride) });
    e.call('rowMax', out, turned, rows, n);
  } else {
    const isColumns = reduced.every(({ stride }) => kept.every((other) => other.stride < stride));
    if (isColumns) e.call('columnSum', out, x, n, rows);
    else e.call('sumAxes', out, x, e.table(sumShape(kept, reduced)));
    if (kernel === 'rowMean') e.call('binaryScalar', BINARY.div, out, out, Math.fround(n), rows);
  }
}
