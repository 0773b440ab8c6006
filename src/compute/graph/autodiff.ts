/**
 * # Autodiff: reverse mode over canonical operators; the gradient of a graph is more of the same graph.
 *
 * Always true: nodes are visited in the reverse of their order, and gradients that meet are added in the order in
 * which they arrive, so the order of every sum in a step graph follows from the forward model alone. A linear adds
 * its product for dX, then the one for dW: the mined nodes of the backward pass are numbered in pairs, from the loss
 * back. Rules: ENGINE.md sections 4 to 6.
 */
import { assert, must } from '../../base/assert.ts';
import { decodeValues } from './fold.ts';
import { GraphError } from './graph-error.ts';
import { float, type GraphBuilder, int, integersOf, ints, type Node, numberOf } from './ir.ts';
import { elements } from './onnx.ts';
import type { OpName } from './ops.ts';

/** The gradient of the scalar `loss` with respect to each of `wanted`; absent where it does not depend on it. */
export function gradients(b: GraphBuilder, loss: string, wanted: readonly string[]): ReadonlyMap<string, string> {
  const nodes = [...b.nodes];
  const needed = new Set(wanted);
  for (const node of nodes) {
    if (!node.inputs.some((name, slot) => needed.has(name) && passesGradient(node, slot))) continue;
    for (const output of node.outputs) if (b.tensor(output).type === 'f32') needed.add(output);
  }
  const tape = new Tape(b, needed);
  tape.give(loss, b.scalar(1));
  for (const node of nodes.reverse()) {
    if (!node.outputs.some((output) => tape.gradient(output) !== undefined)) continue;
    const rule = RULES[node.op];
    if (rule === undefined) throw new GraphError('NotInVersion1', `no gradient of ${node.op}`, node.outputs[0]);
    rule(new Backward(tape, node));
  }
  return new Map(wanted.flatMap((name) => tape.entry(name)));
}

/** Whether a gradient flows from a node's output to its operand `slot`. */
export function passesGradient(node: Node, slot: number): boolean {
  switch (node.op) {
    case 'Less':
    case 'LessOrEqual':
    case 'Greater':
    case 'GreaterOrEqual':
    case 'Equal':
    case 'Cast':
      return false;
    case 'Where':
      return slot !== 0;
    case 'Gather':
    case 'CrossEntropy':
      return slot === 0;
    default:
      return true;
  }
}

/** Gradients found so far. */
class Tape {
  readonly b: GraphBuilder;
  readonly #needed: ReadonlySet<string>;
  readonly #gradients = new Map<string, string>();

  constructor(b: GraphBuilder, needed: ReadonlySet<string>) {
    this.b = b;
    this.#needed = needed;
  }

  needs(name: string): boolean {
    return this.#needed.has(name);
  }

  gradient(name: string): string | undefined {
    return this.#gradients.get(name);
  }

  entry(name: string): [string, string][] {
    const gradient = this.#gradients.get(name);
    return gradient === undefined ? [] : [[name, gradient]];
  }

  give(name: string, gradient: string): void {
    if (!this.#needed.has(name)) return;
    const before = this.#gradients.get(name);
    const wanted = `grad/${name}`;
    this.#gradients.set(name, before === undefined ? gradient : this.b.emit('Add', [before, gradient], {}, wanted));
  }
}

/** One node seen from behind: its operands, results, and the gradients of its results. */
class Backward {
  readonly tape: Tape;
  readonly node: Node;

  constructor(tape: Tape, node: Node) {
    this.tape = tape;
    this.node = node;
  }

  get b(): GraphBuilder {
    return this.tape.b;
  }

  x(i: number): string {
    return this.node.inputs[i] as string;
  }

  get y(): string {
    return this.node.outputs[0] as string;
  }

  /** The gradient of the first output, which all rules but those of several outputs need. */
  get dy(): string {
    return must(this.tape.gradient(this.y), `no gradient of ${this.y}`);
  }

  needs(i: number): boolean {
    return this.tape.needs(this.x(i));
  }

  dims(i: number): readonly number[] {
    return this.b.dims(this.x(i));
  }

  /** Emits a node whose result is part of the gradient of operand i. */
  emit(op: OpName, inputs: readonly string[], attributes: Node['attributes'] = {}, i = 0): string {
    return this.b.emit(op, inputs, attributes, `grad/${this.x(i)}`);
  }

  /** Adds to the gradient of operand i, made by `make` where it is needed at all. */
  give(i: number, make: () => string): void {
    if (this.needs(i)) this.tape.give(this.x(i), this.unbroadcast(make(), i));
  }

  /** The sum of a gradient over the axes along which operand i was repeated. */
  unbroadcast(gradient: string, i: number): string {
    const [full, own] = [this.b.dims(gradient), this.dims(i)];
    const shift = full.length - own.length;
    const axes = [...full.keys()].filter((axis) => axis < shift || (own[axis - shift] === 1 && full[axis] !== 1));
    if (axes.length === 0) return this.b.reshape(gradient, own, `grad/${this.x(i)}`);
    const sum = this.emit('ReduceSum', [gradient], { axes: ints(axes), keepdims: int(0) }, i);
    return this.b.reshape(sum, own, `grad/${this.x(i)}`);
  }
}

type GradientRule = (c: Backward) => void;

/** dx from (x, dy) by one function. */
const slope =
  (op: OpName): GradientRule =>
  (c) =>
    c.give(0, () => c.emit(op, [c.x(0), c.dy]));

const RULES: Partial<Record<OpName, GradientRule>> = {
  Add: (c) => {
    c.give(0, () => c.dy);
    c.give(1, () => c.dy);
  },
  Sub: (c) => {
    c.give(0, () => c.dy);
    c.give(1, () => c.emit('Neg', [c.dy], {}, 1));
  },
  Mul: (c) => {
    c.give(0, () => c.emit('Mul', [c.dy, c.x(1)]));
    c.give(1, () => c.emit('Mul', [c.dy, c.x(0)], {}, 1));
  },
  Div: (c) => {
    c.give(0, () => c.emit('Div', [c.dy, c.x(1)]));
    c.give(1, () => c.emit('Neg', [c.emit('Div', [c.emit('Mul', [c.dy, c.y], {}, 1), c.x(1)], {}, 1)], {}, 1));
  },
  Max: (c) => extremum(c, 'GreaterOrEqual'),
  Min: (c) => extremum(c, 'LessOrEqual'),
  Where: (c) => {
    const zero = c.b.scalar(0);
    c.give(1, () => c.emit('Where', [c.x(0), c.dy, zero], {}, 1));
    c.give(2, () => c.emit('Where', [c.x(0), zero, c.dy], {}, 2));
  },
  Neg: (c) => c.give(0, () => c.emit('Neg', [c.dy])),
  Abs: (c) => c.give(0, () => c.emit('Where', [c.emit('Less', [c.x(0), c.b.scalar(0)]), c.emit('Neg', [c.dy]), c.dy])),
  Sqrt: (c) => c.give(0, () => c.emit('Div', [c.emit('Mul', [c.dy, c.b.scalar(0.5)]), c.y])),
  Exp: (c) => c.give(0, () => c.emit('Mul', [c.dy, c.y])),
  Log: (c) => c.give(0, () => c.emit('Div', [c.dy, c.x(0)])),
  Tanh: slope('TanhGrad'),
  Sigmoid: slope('SigmoidGrad'),
  Erf: slope('ErfGrad'),
  Relu: slope('ReluGrad'),
  Gelu: slope('GeluGrad'),
  GeluErf: slope('GeluErfGrad'),
  Silu: slope('SiluGrad'),
  Softmax: (c) => c.give(0, () => c.emit('SoftmaxGrad', [c.y, c.dy])),
  MatMul: matMul,
  CPowGemm: mined,
  ReduceSum: (c) => c.give(0, () => spread(c, c.dy)),
  ReduceMean: (c) => c.give(0, () => spread(c, c.emit('Div', [c.dy, c.b.scalar(reducedCount(c))]))),
  ReduceMax: (c) => c.give(0, () => maximum(c)),
  Transpose: (c) => {
    const perm = integersOf(c.node, 'perm');
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    c.give(0, () => c.b.transpose(c.dy, inverse, `grad/${c.x(0)}`));
  },
  Reshape: (c) => c.give(0, () => c.b.reshape(c.dy, c.dims(0), `grad/${c.x(0)}`)),
  Expand: (c) => c.give(0, () => c.dy),
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  LayerNorm: layerNorm,
  Attention: (c) => attention(c, 'AttentionGrad'),
  CausalAttention: (c) => attention(c, 'CausalAttentionGrad'),
  CrossEntropy: (c) => lossGrad(c, 'CrossEntropyGrad', 0),
  Mse: (c) => {
    lossGrad(c, 'MseGrad', 0);
    if (c.needs(1)) lossGrad(c, 'MseGrad', 1);
  },
};

/** The operand that is the extremum receives the gradient; of equal ones the first. */
function extremum(c: Backward, first: 'GreaterOrEqual' | 'LessOrEqual'): void {
  const zero = c.b.scalar(0);
  const wins = (): string => c.emit(first, [c.x(0), c.x(1)]);
  c.give(0, () => c.emit('Where', [wins(), c.dy, zero]));
  c.give(1, () => c.emit('Where', [wins(), zero, c.dy], {}, 1));
}

function matMul(c: Backward): void {
  c.give(0, () => c.emit('MatMul', [c.dy, turned(c.b, c.x(1))]));
  c.give(1, () => c.emit('MatMul', [turned(c.b, c.x(0)), c.dy], {}, 1));
}

function turned(b: GraphBuilder, name: string): string {
  const perm = [...b.dims(name).keys()];
  const last = perm.pop() as number;
  const before = perm.pop() as number;
  return b.transpose(name, [...perm, last, before]);
}

/** dX = dY W^T and dW = X^T dY, stochastic in dY where dY is the gradient of the logits themselves. */
function mined(c: Backward): void {
  const stochastic = isLogitGradient(c.b, c.dy);
  const product = (a: string, w: string, drawn: string, op: 'CPowGemmSRA' | 'CPowGemmSRB', i: number): string => {
    if (!stochastic) return c.emit('CPowGemm', [a, w], {}, i);
    const u = c.b.input(c.b.fresh('sr'), 'f32', c.b.dims(drawn));
    return c.emit(op, [a, w, u], {}, i);
  };
  c.give(0, () => product(c.dy, turned(c.b, c.x(1)), c.dy, 'CPowGemmSRA', 0));
  c.give(1, () => product(turned(c.b, c.x(0)), c.dy, c.dy, 'CPowGemmSRB', 1));
}

function isLogitGradient(b: GraphBuilder, gradient: string): boolean {
  let node = b.producer(gradient);
  while (node?.op === 'Reshape') node = b.producer(node.inputs[0] as string);
  return node?.op === 'CrossEntropyGrad';
}

/** The gradient of a reduction, repeated along the axes that were reduced. */
function spread(c: Backward, gradient: string): string {
  const dims = c.dims(0);
  if (elements(dims) === elements(c.b.dims(gradient))) return c.b.reshape(gradient, dims);
  return c.emit('Expand', [keptShape(c, gradient)], { shape: ints(dims) });
}

function keptShape(c: Backward, name: string): string {
  const axes = integersOf(c.node, 'axes');
  return c.b.reshape(
    name,
    c.dims(0).map((dim, i) => (axes.includes(i) ? 1 : dim)),
  );
}

function reducedCount(c: Backward): number {
  return elements(integersOf(c.node, 'axes').map((axis) => c.dims(0)[axis] as number));
}

/** Equal maxima share the gradient. */
function maximum(c: Backward): string {
  const isMax = c.emit('Cast', [c.emit('Equal', [c.x(0), keptShape(c, c.y)])], { to: int(1) });
  const axes = { axes: ints(integersOf(c.node, 'axes')), keepdims: int(1) };
  const share = c.emit('Div', [keptShape(c, c.dy), c.emit('ReduceSum', [isMax], axes)]);
  return c.emit('Mul', [isMax, share]);
}

function concat(c: Backward): void {
  const axis = numberOf(c.node, 'axis');
  const sizes = c.node.inputs.map((_, i) => c.dims(i)[axis] as number);
  if (!c.node.inputs.some((_, i) => c.needs(i))) return;
  const wanted = c.node.inputs.map((name) => `grad/${name}`);
  const parts = c.b.emitAll('Split', [c.dy], { axis: int(axis), split: ints(sizes) }, wanted);
  for (const [i, part] of parts.entries()) c.give(i, () => part);
}

function split(c: Backward): void {
  const axis = numberOf(c.node, 'axis');
  const parts = c.node.outputs.map((output) => c.tape.gradient(output) ?? zeros(c.b, c.b.dims(output)));
  c.give(0, () => c.emit('Concat', parts, { axis: int(axis) }));
}

function zeros(b: GraphBuilder, dims: readonly number[]): string {
  return b.emit('Expand', [b.scalar(0)], { shape: ints(dims) }, 'zeros');
}

/** Zeros before and after the slice, one axis at a time, the last axis first. */
function slice(c: Backward): void {
  const { attributes } = c.node;
  assert(attributes.steps?.type === 'ints', 'a slice has steps');
  if (attributes.steps.value.some((step) => step !== 1)) {
    throw new GraphError('NotInVersion1', 'the gradient of a slice with steps', c.y);
  }
  c.give(0, () => {
    let gradient = c.dy;
    const axes = integersOf(c.node, 'axes');
    for (let i = axes.length - 1; i >= 0; i--) {
      const axis = axes[i] as number;
      const at = (size: number): string[] =>
        size === 0
          ? []
          : [
              zeros(
                c.b,
                c.b.dims(gradient).map((dim, j) => (j === axis ? size : dim)),
              ),
            ];
      const before = at(integersOf(c.node, 'starts')[i] as number);
      const after = at((c.dims(0)[axis] as number) - (integersOf(c.node, 'ends')[i] as number));
      gradient = c.emit('Concat', [...before, gradient, ...after], { axis: int(axis) });
    }
    return gradient;
  });
}

function gather(c: Backward): void {
  c.give(0, () => {
    const dims = c.dims(0);
    const [rows = 0] = dims;
    const columns = elements(dims) / rows;
    const count = elements(c.dims(1));
    const dy = c.b.reshape(c.dy, [count, columns]);
    const sum = c.emit('ScatterAdd', [dy, c.b.reshape(c.x(1), [count])], { rows: ints([rows]) });
    return c.b.reshape(sum, dims, `grad/${c.x(0)}`);
  });
}

function layerNorm(c: Backward): void {
  const [, mean, rstd] = c.node.outputs as [string, string, string];
  const wanted = c.node.inputs.map((name) => `grad/${name}`);
  const parts = c.b.emitAll('LayerNormGrad', [c.dy, c.x(0), c.x(1), mean, rstd], {}, wanted);
  for (const [i, part] of parts.entries()) c.give(i, () => part);
}

function attention(c: Backward, op: 'AttentionGrad' | 'CausalAttentionGrad'): void {
  const weights = c.node.outputs[1] as string;
  const shape = { shape: ints(integersOf(c.node, 'shape')), scale: float(numberOf(c.node, 'scale')) };
  c.give(0, () => c.emit(op, [c.dy, c.x(0), weights], shape));
}

/** The gradient of a loss; its own incoming gradient is 1 unless the model scales its loss. */
function lossGrad(c: Backward, op: 'CrossEntropyGrad' | 'MseGrad', i: number): void {
  c.give(i, () => {
    const local = c.emit(op, i === 0 ? [c.x(0), c.x(1)] : [c.x(1), c.x(0)], {}, i);
    const seed = c.b.constantOf(c.dy);
    const isOne = seed !== undefined && decodeValues(seed)[0] === 1;
    return isOne ? local : c.emit('Mul', [local, c.dy], {}, i);
  });
}
