/**
 * A second opinion on forward graphs: the operators of an imported model in f64, written from ONNX's definitions and
 * sharing no code with kernels or planner. Slow and small on purpose.
 */
import type { ForwardModel } from '../../../src/compute/graph/admission.ts';
import { decodeValues } from '../../../src/compute/graph/fold.ts';
import { type Graph, integersOf, type Node, numberOf, tensorOf } from '../../../src/compute/graph/ir.ts';

type Values = readonly number[];
interface Array64 {
  readonly dims: readonly number[];
  readonly values: Values;
}

const count = (dims: readonly number[]): number => dims.reduce((n, dim) => n * dim, 1);

/** Positions of an index over `dims`, outermost first. */
function unravel(i: number, dims: readonly number[]): number[] {
  const at: number[] = [];
  for (let axis = dims.length - 1, rest = i; axis >= 0; axis--) {
    at.unshift(rest % (dims[axis] as number));
    rest = Math.floor(rest / (dims[axis] as number));
  }
  return at;
}

const ravel = (at: readonly number[], dims: readonly number[]): number =>
  at.reduce((i, p, a) => i * (dims[a] as number) + p, 0);

function build(dims: readonly number[], f: (at: number[]) => number): Array64 {
  return { dims, values: Array.from({ length: count(dims) }, (_, i) => f(unravel(i, dims))) };
}

/** The element of a broadcast operand. */
function read(x: Array64, at: readonly number[]): number {
  const own = at.slice(at.length - x.dims.length).map((p, axis) => (x.dims[axis] === 1 ? 0 : p));
  return x.values[ravel(own, x.dims)] as number;
}

function erf(x: number): number {
  // Series for small, continued fraction for large arguments: both to 1e-15.
  const a = Math.abs(x);
  if (a > 3) {
    let tail = 0;
    for (let k = 60; k >= 1; k--) tail = k / 2 / (a + tail);
    return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + tail) * Math.sqrt(Math.PI)));
  }
  let term = x;
  let sum = x;
  for (let k = 1; k < 80; k++) {
    term *= (-x * x) / k;
    sum += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const UNARY: Readonly<Record<string, (x: number) => number>> = {
  Neg: (x) => -x,
  Abs: Math.abs,
  Sqrt: Math.sqrt,
  Exp: Math.exp,
  Log: Math.log,
  Tanh: Math.tanh,
  Sigmoid: sigmoid,
  Erf: erf,
  Relu: (x) => Math.max(x, 0),
  Gelu: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  GeluErf: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  Silu: (x) => x * sigmoid(x),
  Cast: (x) => x,
};

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: Math.max,
  Min: Math.min,
  Less: (a, b) => Number(a < b),
  LessOrEqual: (a, b) => Number(a <= b),
  Greater: (a, b) => Number(a > b),
  GreaterOrEqual: (a, b) => Number(a >= b),
  Equal: (a, b) => Number(a === b),
};

function evaluate(graph: Graph, node: Node, x: readonly Array64[]): readonly Array64[] {
  const [a, b, c] = x as [Array64, Array64, Array64];
  const dims = tensorOf(graph, node.outputs[0] as string).dims;
  const unary = UNARY[node.op];
  if (unary !== undefined) return [{ dims, values: a.values.map(unary) }];
  const binary = BINARY[node.op];
  if (binary !== undefined) return [build(dims, (at) => binary(read(a, at), read(b, at)))];
  switch (node.op) {
    case 'Where':
      return [build(dims, (at) => (read(a, at) !== 0 ? read(b, at) : read(c, at)))];
    case 'Reshape':
      return [{ dims, values: a.values }];
    case 'Expand':
      return [build(dims, (at) => read(a, at))];
    case 'Transpose': {
      const perm = integersOf(node, 'perm');
      return [
        build(
          dims,
          (at) =>
            a.values[
              ravel(
                perm.map((_, i) => at[perm.indexOf(i)] as number),
                a.dims,
              )
            ] as number,
        ),
      ];
    }
    case 'MatMul':
      return [matMul(dims, a, b)];
    case 'Softmax':
      return [rowwise(a, softmax)];
    case 'LayerNorm':
      return [layerNorm(a, b, c, numberOf(node, 'eps'))];
    case 'ReduceSum':
    case 'ReduceMean':
    case 'ReduceMax':
      return [reduce(node, dims, a)];
    case 'Concat':
      return [concat(dims, numberOf(node, 'axis'), x)];
    case 'Split':
      return split(graph, node, a);
    case 'Slice':
      return [slice(node, dims, a)];
    case 'Gather': {
      const row = count(a.dims.slice(1));
      return [{ dims, values: b.values.flatMap((i) => a.values.slice(i * row, (i + 1) * row)) }];
    }
    case 'CrossEntropy':
      return [{ dims, values: [crossEntropy(a, b)] }];
    default:
      throw new Error(`the interpreter has no ${node.op}`);
  }
}

function matMul(dims: readonly number[], a: Array64, b: Array64): Array64 {
  const k = a.dims.at(-1) as number;
  return build(dims, (at) => {
    const [batch, i, j] = [at.slice(0, -2), at.at(-2) as number, at.at(-1) as number];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += read(a, [...batch, i, l]) * read(b, [...batch, l, j]);
    return sum;
  });
}

function rowwise(x: Array64, f: (row: Values) => Values): Array64 {
  const n = x.dims.at(-1) as number;
  const rows = Array.from({ length: x.values.length / n }, (_, r) => f(x.values.slice(r * n, (r + 1) * n)));
  return { dims: x.dims, values: rows.flat() };
}

function softmax(row: Values): Values {
  const most = Math.max(...row);
  const e = row.map((value) => Math.exp(value - most));
  const sum = e.reduce((s, value) => s + value, 0);
  return e.map((value) => value / sum);
}

function layerNorm(x: Array64, gamma: Array64, beta: Array64, eps: number): Array64 {
  return rowwise(x, (row) => {
    const mean = row.reduce((s, value) => s + value, 0) / row.length;
    const variance = row.reduce((s, value) => s + (value - mean) ** 2, 0) / row.length;
    return row.map((value, i) => {
      const normal = (value - mean) / Math.sqrt(variance + eps);
      return normal * (gamma.values[i] as number) + (beta.values[i] as number);
    });
  });
}

function reduce(node: Node, dims: readonly number[], x: Array64): Array64 {
  const axes = integersOf(node, 'axes');
  const groups = new Map<number, number[]>();
  const kept = x.dims.filter((_, i) => !axes.includes(i));
  x.values.forEach((value, i) => {
    const to = ravel(
      unravel(i, x.dims).filter((_, axis) => !axes.includes(axis)),
      kept,
    );
    groups.set(to, [...(groups.get(to) ?? []), value]);
  });
  const values = Array.from({ length: count(kept) }, (_, i) => {
    const group = groups.get(i) ?? [];
    const sum = group.reduce((s, value) => s + value, 0);
    if (node.op === 'ReduceMax') return Math.max(...group);
    return node.op === 'ReduceSum' ? sum : sum / group.length;
  });
  return { dims, values };
}

function concat(dims: readonly number[], axis: number, parts: readonly Array64[]): Array64 {
  return build(dims, (at) => {
    let p = at[axis] as number;
    for (const part of parts) {
      const size = part.dims[axis] as number;
      if (p < size) return part.values[ravel(at.with(axis, p), part.dims)] as number;
      p -= size;
    }
    return Number.NaN;
  });
}

function split(graph: Graph, node: Node, x: Array64): Array64[] {
  const axis = numberOf(node, 'axis');
  let from = 0;
  return node.outputs.map((name) => {
    const { dims } = tensorOf(graph, name);
    const start = from;
    from += dims[axis] as number;
    return build(dims, (at) => x.values[ravel(at.with(axis, (at[axis] as number) + start), x.dims)] as number);
  });
}

function slice(node: Node, dims: readonly number[], x: Array64): Array64 {
  const [axes, starts, steps] = ['axes', 'starts', 'steps'].map((key) => integersOf(node, key)) as [
    Values,
    Values,
    Values,
  ];
  return build(dims, (at) => {
    const from = [...at];
    axes.forEach((axis, i) => {
      from[axis] = (starts[i] as number) + (at[axis] as number) * (steps[i] as number);
    });
    return x.values[ravel(from, x.dims)] as number;
  });
}

function crossEntropy(logits: Array64, labels: Array64): number {
  const { values } = rowwise(logits, softmax);
  const classes = logits.dims[1] as number;
  const losses = labels.values.map((label, row) => -Math.log(values[row * classes + label] as number));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** The model's outputs, one list each, from its inputs and parameters by name. */
export function interpret(forward: ForwardModel, inputs: Readonly<Record<string, Values>>): readonly Values[] {
  const { graph } = forward;
  const values = new Map<string, Array64>();
  for (const constant of graph.constants.values()) {
    values.set(constant.name, { dims: constant.dims, values: [...decodeValues(constant)] });
  }
  for (const { name, dims } of graph.inputs) values.set(name, { dims, values: inputs[name] ?? [] });
  for (const node of graph.nodes) {
    const results = evaluate(
      graph,
      node,
      node.inputs.map((name) => values.get(name) as Array64),
    );
    for (const [i, result] of results.entries()) values.set(node.outputs[i] as string, result);
  }
  return forward.outputs.map(({ value }) => values.get(value)?.values ?? []);
}
