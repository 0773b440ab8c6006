/**
 * # Operators: the closed list of what a graph may compute, with the shape rule of each.
 *
 * Always true: an operator that is not here cannot be built, read, planned or written. Those of the empty domain are
 * ONNX operators of opset 17 with ONNX's meaning; those of io.mai.cpow are functions whose bodies `functions.ts` holds.
 * The numeric rule of each is in docs/spec/engine.md.
 */
import { assert } from '../../base/assert.ts';
import { ensure } from './graph-error.ts';
import type { Tensor } from './ir.ts';
import { type Attribute, type Attributes, CPOW_DOMAIN, DATA_TYPE, type ElementType, elements } from './onnx.ts';
import { checkDims } from './onnx-read.ts';

/** Type and dimensions of one output. */
export interface Result {
  readonly type: ElementType;
  readonly dims: readonly number[];
}

type Kind = 'int' | 'ints' | 'float';

/** Operands and attributes of a call whose shapes are asked for. */
interface Call {
  readonly at: string;
  readonly x: readonly Tensor[];
  int(key: string): number;
  ints(key: string): readonly number[];
}

interface Rule {
  readonly domain: '' | typeof CPOW_DOMAIN;
  /** Operand count: least and most. */
  readonly inputs: readonly [number, number];
  readonly attributes: Readonly<Record<string, Kind>>;
  /** Attributes that ONNX passes as constant int64 inputs, in that order after the operands. */
  readonly lists?: readonly string[];
  /** The stem of an output's name where the caller proposes none. */
  readonly label?: string;
  readonly infer: (call: Call) => readonly Result[];
}

const unary: Rule = { domain: '', inputs: [1, 1], attributes: {}, infer: ({ at, x }) => [floatLike(at, x, 0)] };
const binary: Rule = { domain: '', inputs: [2, 2], attributes: {}, infer: ({ at, x }) => [broadcastPair(at, x)] };
const comparison: Rule = {
  ...binary,
  infer: ({ at, x }) => [{ type: 'bool', dims: broadcastPair(at, x).dims }],
};
const reduction: Rule = {
  domain: '',
  inputs: [1, 1],
  attributes: { axes: 'ints', keepdims: 'int' },
  infer: reduced,
};
const activation: Rule = { ...unary, domain: CPOW_DOMAIN };
/** dx from (x, dy). */
const slope: Rule = { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'grad', infer: sameTwo };
const optimiser = { domain: CPOW_DOMAIN } as const;

const TABLE = {
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Max: binary,
  Min: binary,
  Less: comparison,
  LessOrEqual: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Equal: comparison,
  Where: { domain: '', inputs: [3, 3], attributes: {}, infer: selected },
  Neg: unary,
  Abs: unary,
  Sqrt: unary,
  Exp: unary,
  Log: unary,
  Tanh: unary,
  Sigmoid: unary,
  Erf: unary,
  Relu: unary,
  Cast: { domain: '', inputs: [1, 1], attributes: { to: 'int' }, infer: converted },
  MatMul: { domain: '', inputs: [2, 2], attributes: {}, infer: product },
  Softmax: { domain: '', inputs: [1, 1], attributes: { axis: 'int' }, infer: lastAxis },
  ReduceSum: { ...reduction, lists: ['axes'] },
  ReduceMean: reduction,
  ReduceMax: reduction,
  Transpose: { domain: '', inputs: [1, 1], attributes: { perm: 'ints' }, infer: transposed },
  Reshape: { domain: '', inputs: [1, 1], attributes: { shape: 'ints' }, lists: ['shape'], infer: reshaped },
  Expand: { domain: '', inputs: [1, 1], attributes: { shape: 'ints' }, lists: ['shape'], infer: expanded },
  Concat: { domain: '', inputs: [1, 4_096], attributes: { axis: 'int' }, infer: joined },
  Slice: {
    domain: '',
    inputs: [1, 1],
    attributes: { starts: 'ints', ends: 'ints', axes: 'ints', steps: 'ints' },
    lists: ['starts', 'ends', 'axes', 'steps'],
    infer: sliced,
  },
  Split: { domain: '', inputs: [1, 1], attributes: { axis: 'int', split: 'ints' }, lists: ['split'], infer: cut },
  Gather: { domain: '', inputs: [2, 2], attributes: { axis: 'int' }, infer: gathered },
  CPowGemm: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'gemm', infer: mined },
  CPowGemmSRA: { domain: CPOW_DOMAIN, inputs: [3, 3], attributes: {}, label: 'gemm', infer: mined },
  CPowGemmSRB: { domain: CPOW_DOMAIN, inputs: [3, 3], attributes: {}, label: 'gemm', infer: mined },
  LayerNorm: { domain: CPOW_DOMAIN, inputs: [3, 3], attributes: { eps: 'float' }, label: 'norm', infer: normalised },
  LayerNormGrad: { domain: CPOW_DOMAIN, inputs: [5, 5], attributes: {}, label: 'grad', infer: normalisedGrad },
  Gelu: activation,
  GeluErf: activation,
  Silu: activation,
  ReluGrad: slope,
  TanhGrad: slope,
  SigmoidGrad: slope,
  ErfGrad: slope,
  GeluGrad: slope,
  GeluErfGrad: slope,
  SiluGrad: slope,
  /** dx from (p, dp). */
  SoftmaxGrad: slope,
  Attention: { domain: CPOW_DOMAIN, inputs: [1, 1], attributes: { shape: 'ints', scale: 'float' }, infer: attended },
  CausalAttention: {
    ...{ domain: CPOW_DOMAIN, inputs: [1, 1], attributes: { shape: 'ints', scale: 'float' } },
    label: 'attention',
    infer: attended,
  },
  AttentionGrad: {
    ...{ domain: CPOW_DOMAIN, inputs: [3, 3], attributes: { shape: 'ints', scale: 'float' } },
    label: 'grad',
    infer: attendedGrad,
  },
  CausalAttentionGrad: {
    ...{ domain: CPOW_DOMAIN, inputs: [3, 3], attributes: { shape: 'ints', scale: 'float' } },
    label: 'grad',
    infer: attendedGrad,
  },
  CrossEntropy: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'loss', infer: entropy },
  CrossEntropyGrad: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'dlogits', infer: entropyGrad },
  Mse: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'loss', infer: squared },
  MseGrad: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: {}, label: 'grad', infer: sameTwo },
  ScatterAdd: { domain: CPOW_DOMAIN, inputs: [2, 2], attributes: { rows: 'ints' }, label: 'grad', infer: scattered },
  ClipNorm: { ...optimiser, inputs: [1, 1], attributes: { maxNorm: 'float' }, infer: flat(1) },
  AdamW: {
    ...optimiser,
    inputs: [7, 7],
    attributes: { b1: 'float', b2: 'float', eps: 'float', wd: 'float' },
    infer: flat(3),
  },
  Sgd: { ...optimiser, inputs: [4, 4], attributes: { mu: 'float', wd: 'float' }, infer: flat(2) },
  SgdNesterov: { ...optimiser, inputs: [4, 4], attributes: { mu: 'float', wd: 'float' }, infer: flat(2) },
  SgdPlain: { ...optimiser, inputs: [3, 3], attributes: { wd: 'float' }, infer: flat(1) },
} satisfies Record<string, Rule>;

export type OpName = keyof typeof TABLE;

const OPERATORS: Readonly<Record<OpName, Rule>> = TABLE;

/** The rule of an operator. */
export function operator(op: OpName): Rule {
  return OPERATORS[op];
}

/** The operator of a name in a domain, or undefined. */
export function operatorNamed(domain: string, name: string): OpName | undefined {
  if (!Object.hasOwn(OPERATORS, name)) return undefined;
  return OPERATORS[name as OpName].domain === domain ? (name as OpName) : undefined;
}

/** Type and dimensions of each output of a call. Throws GraphError when operands or attributes do not fit. */
export function inferOutputs(
  op: OpName,
  operands: readonly Tensor[],
  attributes: Attributes,
  at: string,
): readonly Result[] {
  const rule = OPERATORS[op];
  const [least, most] = rule.inputs;
  ensure(operands.length >= least && operands.length <= most, 'ShapeMismatch', `${op}: operand count`, at);
  for (const key of Object.keys(attributes)) {
    ensure(Object.hasOwn(rule.attributes, key), 'BadAttribute', `${op} has no attribute ${key}`, at);
  }
  const value = (key: string, kind: Kind): Attribute['value'] => {
    const attribute = attributes[key];
    ensure(attribute?.type === kind, 'BadAttribute', `${op} needs ${kind} ${key}`, at);
    return attribute.value;
  };
  for (const [key, kind] of Object.entries(rule.attributes)) value(key, kind);
  const results = rule.infer({
    at,
    x: operands,
    int: (key) => value(key, 'int') as number,
    ints: (key) => value(key, 'ints') as readonly number[],
  });
  for (const result of results) checkDims(result.dims, at, result.type === 'i64' || result.type === 'i32' ? 0 : 1);
  return results;
}

/** The dimensions of two operands under ONNX (numpy) broadcasting. Throws GraphError. */
function broadcast(a: readonly number[], b: readonly number[], at: string): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const p = a[i - rank + a.length] ?? 1;
    const q = b[i - rank + b.length] ?? 1;
    ensure(p === q || p === 1 || q === 1, 'ShapeMismatch', `${a.join('x')} with ${b.join('x')}`, at);
    return p === 1 ? q : p;
  });
}

function fits(condition: boolean, { at, x }: Pick<Call, 'at' | 'x'>, what: string): void {
  ensure(condition, 'ShapeMismatch', `${what}: ${x.map((t) => `${t.type} ${t.dims.join('x')}`).join(', ')}`, at);
}

function isFloat(call: Pick<Call, 'at' | 'x'>): void {
  for (const tensor of call.x)
    ensure(tensor.type === 'f32', 'UnsupportedType', `${tensor.name} is ${tensor.type}`, call.at);
}

function tensorAt({ x }: Pick<Call, 'x'>, i: number): Tensor {
  const tensor = x[i];
  assert(tensor !== undefined, 'the operand count was checked');
  return tensor;
}

const sameDims = (a: Tensor, b: Tensor): boolean =>
  a.dims.length === b.dims.length && a.dims.every((dim, i) => dim === b.dims[i]);

function floatLike(at: string, x: readonly Tensor[], i: number): Result {
  isFloat({ at, x });
  return { type: 'f32', dims: tensorAt({ x }, i).dims };
}

function sameTwo(call: Call): Result[] {
  fits(sameDims(tensorAt(call, 0), tensorAt(call, 1)), call, 'equal shapes');
  return [floatLike(call.at, call.x, 0)];
}

function broadcastPair(at: string, x: readonly Tensor[]): Result {
  const [a, b] = [tensorAt({ x }, 0), tensorAt({ x }, 1)];
  ensure(a.type === b.type && a.type !== 'bool', 'UnsupportedType', `${a.type} with ${b.type}`, at);
  return { type: a.type, dims: broadcast(a.dims, b.dims, at) };
}

function selected(call: Call): Result[] {
  const [condition, a, b] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  ensure(condition.type === 'bool', 'UnsupportedType', `condition of type ${condition.type}`, call.at);
  ensure(a.type === b.type, 'UnsupportedType', `${a.type} with ${b.type}`, call.at);
  return [{ type: a.type, dims: broadcast(condition.dims, broadcast(a.dims, b.dims, call.at), call.at) }];
}

function converted(call: Call): Result[] {
  const type = (Object.keys(DATA_TYPE) as ElementType[]).find((key) => DATA_TYPE[key] === call.int('to'));
  ensure(type !== undefined, 'UnsupportedType', `cast to element type ${call.int('to')}`, call.at);
  return [{ type, dims: tensorAt(call, 0).dims }];
}

function product(call: Call): Result[] {
  isFloat(call);
  const [a, b] = [tensorAt(call, 0).dims, tensorAt(call, 1).dims];
  fits(a.length >= 2 && b.length >= 2 && a.at(-1) === b.at(-2), call, 'matrix product');
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2), call.at);
  return [{ type: 'f32', dims: [...batch, a.at(-2) as number, b.at(-1) as number] }];
}

function lastAxis(call: Call): Result[] {
  const rank = tensorAt(call, 0).dims.length;
  ensure(rank > 0 && call.int('axis') === -1, 'BadAttribute', 'softmax along the last axis only', call.at);
  return [floatLike(call.at, call.x, 0)];
}

function reduced(call: Call): Result[] {
  const { dims } = floatLike(call.at, call.x, 0);
  const axes = call.ints('axes');
  ascending(axes, dims.length, call.at);
  ensure(axes.length > 0, 'BadAttribute', 'a reduction names its axes', call.at);
  const kept = call.int('keepdims');
  ensure(kept === 0 || kept === 1, 'BadAttribute', `keepdims ${kept}`, call.at);
  if (kept === 1) return [{ type: 'f32', dims: dims.map((dim, i) => (axes.includes(i) ? 1 : dim)) }];
  return [{ type: 'f32', dims: dims.filter((_, i) => !axes.includes(i)) }];
}

function ascending(axes: readonly number[], rank: number, at: string): void {
  axes.forEach((axis, i) => {
    const before = i === 0 ? -1 : (axes[i - 1] as number);
    ensure(axis > before && axis < rank, 'BadAttribute', `axes ${axes.join(',')} of rank ${rank}`, at);
  });
}

function axisOf(call: Call, rank: number): number {
  const axis = call.int('axis');
  ensure(Number.isInteger(axis) && axis >= 0 && axis < rank, 'BadAttribute', `axis ${axis} of rank ${rank}`, call.at);
  return axis;
}

function transposed(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const perm = call.ints('perm');
  const valid = perm.length === dims.length && dims.every((_, i) => perm.includes(i));
  ensure(valid, 'BadAttribute', `permutation ${perm.join(',')} of rank ${dims.length}`, call.at);
  return [{ type, dims: perm.map((axis) => dims[axis] as number) }];
}

function reshaped(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const shape = call.ints('shape');
  checkDims(shape, call.at, type === 'f32' ? 1 : 0);
  fits(elements(shape) === elements(dims), call, `reshape to ${shape.join('x')}`);
  return [{ type, dims: shape }];
}

function expanded(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const shape = call.ints('shape');
  checkDims(shape, call.at, 1);
  const full = broadcast(dims, shape, call.at);
  fits(full.length === shape.length && full.every((dim, i) => dim === shape[i]), call, 'expand');
  return [{ type, dims: shape }];
}

function joined(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const axis = axisOf(call, dims.length);
  for (const part of call.x) {
    const same = part.dims.length === dims.length && part.dims.every((dim, i) => i === axis || dim === dims[i]);
    fits(same && part.type === type, call, 'concat');
  }
  const total = call.x.reduce((sum, part) => sum + (part.dims[axis] as number), 0);
  return [{ type, dims: dims.map((dim, i) => (i === axis ? total : dim)) }];
}

function sliced(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const [starts, ends, axes, steps] = ['starts', 'ends', 'axes', 'steps'].map((key) => call.ints(key));
  assert(starts !== undefined && ends !== undefined && axes !== undefined && steps !== undefined, 'four lists');
  const counts = [starts, ends, steps].every((list) => list.length === axes.length);
  ensure(counts, 'BadAttribute', 'slice lists of different lengths', call.at);
  ascending(axes, dims.length, call.at);
  const out = [...dims];
  axes.forEach((axis, i) => {
    const [start, end, step] = [starts[i] as number, ends[i] as number, steps[i] as number];
    const inside = start >= 0 && start < end && end <= (dims[axis] as number);
    ensure(inside && step >= 1, 'BadAttribute', `slice ${start}:${end}:${step} of axis ${axis}`, call.at);
    out[axis] = Math.ceil((end - start) / step);
  });
  return [{ type, dims: out }];
}

function cut(call: Call): Result[] {
  const { type, dims } = tensorAt(call, 0);
  const axis = axisOf(call, dims.length);
  const sizes = call.ints('split');
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const valid = sizes.length > 0 && sizes.length <= 4_096 && sizes.every((size) => size >= 1) && total === dims[axis];
  ensure(valid, 'BadAttribute', `split ${sizes.slice(0, 8).join(',')} of axis ${axis}`, call.at);
  return sizes.map((size) => ({ type, dims: dims.map((dim, i) => (i === axis ? size : dim)) }));
}

function gathered(call: Call): Result[] {
  const [table, index] = [tensorAt(call, 0), tensorAt(call, 1)];
  ensure(call.int('axis') === 0 && table.dims.length >= 1, 'BadAttribute', 'gather of rows only', call.at);
  ensure(index.type === 'i32' || index.type === 'i64', 'UnsupportedType', `index of type ${index.type}`, call.at);
  return [{ type: table.type, dims: [...index.dims, ...table.dims.slice(1)] }];
}

function mined(call: Call): Result[] {
  isFloat(call);
  const [a, b, u] = [tensorAt(call, 0).dims, tensorAt(call, 1).dims, call.x[2]?.dims];
  fits(a.length === 2 && b.length === 2 && a[1] === b[0], call, 'matrix product');
  // |sum| <= 63^2 k must stay an int32: k < 541,000; 2^17 leaves two bits of room.
  fits((a[1] as number) <= 131_072, call, 'k beyond 131,072');
  if (u !== undefined) {
    const drawn = [a, b].some((dims) => u.length === 2 && u[0] === dims[0] && u[1] === dims[1]);
    fits(drawn, call, 'uniforms of an operand');
  }
  return [{ type: 'f32', dims: [a[0] as number, b[1] as number] }];
}

function normalised(call: Call): Result[] {
  isFloat(call);
  const [rows, n] = matrix(call, 0);
  fits(isVector(call, 1, n) && isVector(call, 2, n), call, 'gamma and beta');
  const column: Result = { type: 'f32', dims: [rows, 1] };
  return [{ type: 'f32', dims: [rows, n] }, column, column];
}

function normalisedGrad(call: Call): Result[] {
  isFloat(call);
  const [rows, n] = matrix(call, 0);
  fits(sameDims(tensorAt(call, 0), tensorAt(call, 1)) && isVector(call, 2, n), call, 'dy, x, gamma');
  for (const i of [3, 4]) fits(matrix(call, i)[0] === rows && matrix(call, i)[1] === 1, call, 'mean and rstd');
  const vector: Result = { type: 'f32', dims: [n] };
  return [{ type: 'f32', dims: [rows, n] }, vector, vector];
}

function matrix(call: Call, i: number): readonly [number, number] {
  const { dims } = tensorAt(call, i);
  fits(dims.length === 2, call, `operand ${i} is a matrix`);
  return [dims[0] as number, dims[1] as number];
}

function isVector(call: Call, i: number, n: number): boolean {
  const { dims } = tensorAt(call, i);
  return dims.length === 1 && dims[0] === n;
}

/** heads and width of the `shape` attribute [0, 0, 3, heads, width] against qkv[sequences][tokens][3 heads width]. */
function headsOf(call: Call, qkv: Tensor): { sequences: number; tokens: number; heads: number; width: number } {
  const shape = call.ints('shape');
  const [sequences = 0, tokens = 0, columns = 0] = qkv.dims;
  const [a, b, three, heads = 0, width = 0] = shape;
  const valid = shape.length === 5 && a === 0 && b === 0 && three === 3 && heads >= 1 && width >= 1;
  ensure(valid, 'BadAttribute', `attention shape ${shape.join(',')}`, call.at);
  fits(qkv.dims.length === 3 && columns === 3 * heads * width, call, 'q, k, v columns');
  return { sequences, tokens, heads, width };
}

function attended(call: Call): Result[] {
  isFloat(call);
  const { sequences, tokens, heads, width } = headsOf(call, tensorAt(call, 0));
  return [
    { type: 'f32', dims: [sequences, tokens, heads * width] },
    { type: 'f32', dims: [sequences, heads, tokens, tokens] },
  ];
}

function attendedGrad(call: Call): Result[] {
  isFloat(call);
  const qkv = tensorAt(call, 1);
  const { sequences, tokens, heads, width } = headsOf(call, qkv);
  const expected = [
    [sequences, tokens, heads * width],
    [sequences, heads, tokens, tokens],
  ];
  [tensorAt(call, 0), tensorAt(call, 2)].forEach((tensor, i) => {
    fits(tensor.dims.join() === expected[i]?.join(), call, 'gradient and weights');
  });
  return [{ type: 'f32', dims: qkv.dims }];
}

function labelled(call: Call): readonly [number, number] {
  const [rows, classes] = matrix(call, 0);
  const [x, labels] = [tensorAt(call, 0), tensorAt(call, 1)];
  ensure(x.type === 'f32', 'UnsupportedType', `logits of type ${x.type}`, call.at);
  ensure(labels.type === 'i64' || labels.type === 'i32', 'UnsupportedType', `labels of type ${labels.type}`, call.at);
  fits(isVector(call, 1, rows), call, 'one label per row');
  return [rows, classes];
}

function entropy(call: Call): Result[] {
  labelled(call);
  return [{ type: 'f32', dims: [] }];
}

function entropyGrad(call: Call): Result[] {
  return [{ type: 'f32', dims: labelled(call) }];
}

function squared(call: Call): Result[] {
  sameTwo(call);
  return [{ type: 'f32', dims: [] }];
}

function scattered(call: Call): Result[] {
  const [count, columns] = matrix(call, 0);
  const [dy, index] = [tensorAt(call, 0), tensorAt(call, 1)];
  const [rows = 0] = call.ints('rows');
  ensure(call.ints('rows').length === 1 && rows >= 1, 'BadAttribute', 'one row count', call.at);
  ensure(dy.type === 'f32', 'UnsupportedType', `gradient of type ${dy.type}`, call.at);
  ensure(index.type === 'i64' || index.type === 'i32', 'UnsupportedType', `index of type ${index.type}`, call.at);
  fits(isVector(call, 1, count), call, 'one index per row');
  return [{ type: 'f32', dims: [rows, columns] }];
}

/** Flat vectors of one length, `outputs` of them; operands of rank 0 are scalars of the step. */
function flat(outputs: number): (call: Call) => readonly Result[] {
  return (call) => {
    isFloat(call);
    const { dims } = tensorAt(call, 0);
    for (const { dims: other } of call.x) {
      fits(dims.length === 1 && (other.length === 0 || (other.length === 1 && other[0] === dims[0])), call, 'flat');
    }
    return Array.from({ length: outputs }, () => ({ type: 'f32' as const, dims }));
  };
}
