/**
 * # Import: each ONNX operator that a forward model may use, said in operators of the canonical list.
 *
 * Always true: a handler only combines operators of `ops.ts`; what it does not understand exactly it refuses by name.
 * Shape arithmetic folds to constants on the way, so exported models need no simplifier.
 */
import { assert, must } from '../../base/assert.ts';
import { decodeValues, encodeValues } from './fold.ts';
import { ensure, GraphError, refuseOperator } from './graph-error.ts';
import type { Call } from './import-call.ts';
import { concat, expand, flatten, gather, reduce, reshape, slice, split, squeeze, unsqueeze } from './import-moves.ts';
import { float, type GraphBuilder, int, ints } from './ir.ts';
import { DATA_TYPE, type ElementType, elements } from './onnx.ts';
import { checkDims } from './onnx-read.ts';
import type { OpName } from './ops.ts';

type Handler = (c: Call) => string | readonly string[];

/** The outputs of one ONNX node, built in `c.b`. Throws GraphError. */
export function importNode(c: Call): readonly string[] {
  const { domain, op } = c.node;
  const handler = domain === '' && Object.hasOwn(HANDLERS, op) ? HANDLERS[op] : undefined;
  if (handler === undefined) throw refuseOperator(domain, op, c.at);
  const out = handler(c);
  return typeof out === 'string' ? [out] : out;
}

/** Operators that mean here what they mean there, of so many operands. */
const direct =
  (op: OpName, arity: number): Handler =>
  (c) => {
    c.arity(arity);
    return c.b.emit(
      op,
      Array.from({ length: arity }, (_, i) => c.operand(i)),
      {},
      c.wanted(),
    );
  };

const HANDLERS: Readonly<Record<string, Handler>> = {
  ...Object.fromEntries(
    (['Add', 'Sub', 'Mul', 'Div', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Equal', 'MatMul'] as const).map(
      (op) => [op, op === 'MatMul' ? matMul : direct(op, 2)],
    ),
  ),
  ...Object.fromEntries(
    (['Neg', 'Abs', 'Sqrt', 'Exp', 'Log', 'Tanh', 'Sigmoid', 'Erf', 'Relu'] as const).map((op) => [op, direct(op, 1)]),
  ),
  Where: direct('Where', 3),
  Max: (c) => chain(c, 'Max'),
  Min: (c) => chain(c, 'Min'),
  Clip: clip,
  Reciprocal: (c) => c.b.emit('Div', [c.b.scalar(1), c.operand(0)], {}, c.wanted()),
  Pow: power,
  Not: (c) => c.b.emit('Equal', [cast(c, c.operand(0), 'i64'), integer(c, 0)], {}, c.wanted()),
  Identity: (c) => c.operand(0),
  Cast: castNode,
  Constant: constantNode,
  ConstantOfShape: filled,
  Range: range,
  Shape: (c) => int64s(c, c.dims(0).slice(...shapeBounds(c))),
  Size: (c) => integer(c, elements(c.dims(0))),
  Trilu: triangle,
  Gemm: gemm,
  Softmax: softmax,
  Gelu: (c) => c.b.emit(c.text('approximate', 'none') === 'tanh' ? 'Gelu' : 'GeluErf', [c.operand(0)], {}, c.wanted()),
  LayerNormalization: layerNormalization,
  SoftmaxCrossEntropyLoss: softmaxCrossEntropyLoss,
  ReduceSum: (c) => reduce(c, 'ReduceSum', 13),
  ReduceMean: (c) => reduce(c, 'ReduceMean', 18),
  ReduceMax: (c) => reduce(c, 'ReduceMax', 18),
  Transpose: (c) => c.b.transpose(c.operand(0), c.list('perm') ?? [...c.dims(0).keys()].reverse(), c.wanted()),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Slice: slice,
  Split: split,
  Expand: expand,
  Gather: gather,
};

function chain(c: Call, op: 'Max' | 'Min'): string {
  let value = c.operand(0);
  for (let i = 1; i < c.node.inputs.length; i++) value = c.b.emit(op, [value, c.operand(i)], {}, c.wanted());
  return value;
}

function clip(c: Call): string {
  const [low, high] = [c.optional(1), c.optional(2)];
  let value = c.operand(0);
  if (low !== undefined) value = c.b.emit('Max', [value, low], {}, c.wanted());
  return high === undefined ? value : c.b.emit('Min', [value, high], {}, c.wanted());
}

/** x^2, x^3, x^4, x^0.5, x^-0.5, x^-1: what exported models hold; there is no general power in class i7. */
function power(c: Call): string {
  const x = c.operand(0);
  const exponent = c.constant(1);
  const value = exponent !== undefined && elements(exponent.dims) === 1 ? decodeValues(exponent)[0] : undefined;
  const times = (a: string, b: string): string => c.b.emit('Mul', [a, b], {}, c.wanted());
  const root = (): string => c.b.emit('Sqrt', [x], {}, c.wanted());
  if (value === 1) return x;
  if (value === 2) return times(x, x);
  if (value === 3) return times(x, times(x, x));
  if (value === 4) return times(times(x, x), times(x, x));
  if (value === 0.5) return root();
  if (value === -0.5) return c.b.emit('Div', [c.b.scalar(1), root()], {}, c.wanted());
  if (value === -1) return c.b.emit('Div', [c.b.scalar(1), x], {}, c.wanted());
  throw new GraphError('NotInVersion1', 'Pow with an exponent other than -1, -0.5, 0.5, 1, 2, 3, 4', c.at);
}

function cast(c: Call, x: string, to: ElementType): string {
  return c.b.tensor(x).type === to ? x : c.b.emit('Cast', [x], { to: int(DATA_TYPE[to]) }, c.wanted());
}

function castNode(c: Call): string {
  const code = c.int('to');
  const type = (Object.keys(DATA_TYPE) as ElementType[]).find((key) => DATA_TYPE[key] === code);
  ensure(type !== undefined, 'UnsupportedType', `cast to element type ${code}`, c.at);
  return cast(c, c.operand(0), type);
}

function int64s(c: Call, values: readonly number[]): string {
  return c.b.constant(c.wanted(), 'i64', [values.length], encodeValues('i64', values));
}

function integer(c: Call, value: number): string {
  return c.b.constant(c.wanted(), 'i64', [], encodeValues('i64', [value]));
}

function constantNode(c: Call): string {
  const { value, value_float, value_floats, value_int, value_ints } = c.node.attributes;
  ensure(Object.keys(c.node.attributes).length === 1, 'BadAttribute', 'a Constant has one value', c.at);
  if (value?.type === 'tensor') return c.b.constant(c.wanted(), value.value.type, value.value.dims, value.value.data);
  if (value_float?.type === 'float') return c.b.scalar(value_float.value);
  if (value_floats?.type === 'floats') {
    return c.b.constant(c.wanted(), 'f32', [value_floats.value.length], encodeValues('f32', value_floats.value));
  }
  const list =
    value_ints?.type === 'ints' ? value_ints.value : value_int?.type === 'int' ? [value_int.value] : undefined;
  ensure(list !== undefined, 'UnsupportedType', 'a Constant of another kind', c.at);
  ensure(list.every(Number.isSafeInteger), 'BadAttribute', 'an integer beyond 2^53', c.at);
  return value_int === undefined ? int64s(c, list) : integer(c, list[0] as number);
}

/** A repeated scalar: never materialised here, so a huge shape costs nothing before the cost model refuses it. */
function filled(c: Call): string {
  const shape = must(c.integers(0) ?? [], 'a list');
  const value = c.node.attributes.value;
  checkDims(shape, c.at, 1);
  let scalar = c.b.scalar(0);
  if (value?.type === 'tensor') {
    ensure(elements(value.value.dims) === 1, 'BadTensor', 'ConstantOfShape repeats one element', c.at);
    scalar = c.b.constant(c.wanted(), value.value.type, [], value.value.data);
  }
  return c.b.emit('Expand', [scalar], { shape: ints(shape) }, c.wanted());
}

function range(c: Call): string {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => c.integers(i)?.[0]);
  const count = Math.ceil((limit - start) / delta);
  ensure(delta !== 0 && count >= 1 && count <= 1_048_576, 'ShapeTooLarge', `range of ${count}`, c.at);
  return int64s(
    c,
    Array.from({ length: count }, (_, i) => start + i * delta),
  );
}

function shapeBounds(c: Call): [number, number] {
  const rank = c.dims(0).length;
  return [c.int('start', 0), c.int('end', rank)];
}

/** The triangle of a constant: causal masks of exported models. */
function triangle(c: Call): string {
  const x = must(c.constant(0), 'an operand');
  const [rows = 0, columns = 0] = x.dims.slice(-2);
  const offset = c.integers(1)?.[0] ?? 0;
  const upper = c.int('upper', 1) !== 0;
  const values = decodeValues(x).map((value, i) => {
    const distance = (i % columns) - (Math.floor(i / columns) % rows) - offset;
    return (upper ? distance >= 0 : distance <= 0) ? value : 0;
  });
  return c.b.constant(c.wanted(), x.type, x.dims, encodeValues(x.type, values));
}

/** Vectors become one-row or one-column matrices, as in numpy. */
function matMul(c: Call): string {
  c.arity(2);
  const [a, b] = [c.dims(0), c.dims(1)];
  ensure(a.length >= 1 && b.length >= 1, 'ShapeMismatch', 'a scalar in a matrix product', c.at);
  const left = a.length === 1 ? c.b.reshape(c.operand(0), [1, ...a]) : c.operand(0);
  const right = b.length === 1 ? c.b.reshape(c.operand(1), [...b, 1]) : c.operand(1);
  const y = c.b.emit('MatMul', [left, right], {}, c.wanted());
  if (a.length > 1 && b.length > 1) return y;
  const dims = [...c.b.dims(y)];
  if (b.length === 1) dims.pop();
  if (a.length === 1) dims.splice(b.length === 1 ? -1 : -2, 1);
  return c.b.reshape(y, dims, c.wanted());
}

function gemm(c: Call): string {
  const [alpha, beta] = [c.float('alpha', 1), c.float('beta', 1)];
  const turned = (i: number, key: string): string =>
    c.int(key, 0) === 0 ? c.operand(i) : c.b.transpose(c.operand(i), [1, 0]);
  ensure(c.dims(0).length === 2 && c.dims(1).length === 2, 'ShapeMismatch', 'Gemm takes matrices', c.at);
  let y = c.b.emit('MatMul', [turned(0, 'transA'), turned(1, 'transB')], {}, c.wanted());
  if (alpha !== 1) y = c.b.emit('Mul', [y, c.b.scalar(alpha)], {}, c.wanted());
  const bias = c.optional(2);
  if (bias === undefined) return y;
  const scaled = beta === 1 ? bias : c.b.emit('Mul', [bias, c.b.scalar(beta)]);
  return c.b.emit('Add', [y, scaled], {}, c.wanted());
}

function softmax(c: Call): string {
  const rank = c.dims(0).length;
  const axis = c.axis(c.int('axis', -1), rank);
  const perm = [...Array(rank).keys()];
  [perm[axis], perm[rank - 1]] = [rank - 1, axis];
  const turned = c.b.transpose(c.operand(0), perm);
  return c.b.transpose(c.b.emit('Softmax', [turned], { axis: int(-1) }, c.wanted()), perm, c.wanted());
}

function layerNormalization(c: Call): string {
  const dims = c.dims(0);
  const axis = c.axis(c.int('axis', -1), dims.length);
  ensure(axis === dims.length - 1, 'NotInVersion1', 'LayerNormalization over more than the last axis', c.at);
  ensure(
    c.node.outputs.slice(1).every((name) => name === ''),
    'NotInVersion1',
    'mean and deviation outputs',
    c.at,
  );
  const n = dims[axis] as number;
  const zeros = c.b.constant('zeros', 'f32', [n], new Uint8Array(4 * n));
  const [gamma, beta] = [c.operand(1), c.optional(2) ?? zeros].map((name) => c.b.reshape(name, [n]));
  assert(gamma !== undefined && beta !== undefined, 'two operands');
  const rows = c.b.reshape(c.operand(0), [elements(dims) / n, n]);
  const eps = { eps: float(c.float('epsilon', 1e-5)) };
  return c.b.reshape(c.b.emit('LayerNorm', [rows, gamma, beta], eps, c.wanted()), dims, c.wanted());
}

function softmaxCrossEntropyLoss(c: Call): string {
  ensure(c.optional(2) === undefined, 'NotInVersion1', 'class weights', c.at);
  ensure(c.node.attributes.ignore_index === undefined, 'NotInVersion1', 'ignored labels', c.at);
  ensure(c.text('reduction', 'mean') === 'mean', 'NotInVersion1', 'a reduction other than mean', c.at);
  ensure((c.node.outputs[1] ?? '') === '', 'NotInVersion1', 'the log_prob output', c.at);
  const dims = c.dims(0);
  const classes = dims[1];
  ensure(dims.length >= 2 && classes !== undefined, 'ShapeMismatch', 'logits without a class axis', c.at);
  const last = [0, ...dims.keys()].filter((axis, i) => i === 0 || axis > 1);
  const rows = c.b.transpose(c.operand(0), [...last, 1]);
  const count = elements(dims) / classes;
  return crossEntropy(c.b, c.b.reshape(rows, [count, classes]), c.operand(1), c.wanted());
}

/** The mean cross-entropy of logits [rows][classes] against as many labels of any shape. Throws GraphError. */
export function crossEntropy(b: GraphBuilder, logits: string, labels: string, wanted: string): string {
  const [rows = 0] = b.dims(logits);
  ensure(elements(b.dims(labels)) === rows, 'BadLoss', `${b.dims(labels).join('x')} labels for ${rows} rows`);
  return b.emit('CrossEntropy', [logits, b.reshape(labels, [rows])], {}, wanted);
}
