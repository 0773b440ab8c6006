/**
 * # Emission of products, attention, normalisation, tables, losses and optimisers.
 *
 * Always true: a mined product is two quantisations and one call of the backend; transposed operands are quantised
 * from where they lie. An optimiser writes the state in place and is the last reader of the old one.
 */
import { must } from '../../base/assert.ts';
import { attentionScratch, gemmF32Scratch, igemmScratch } from '../canonical/kernels.ts';
import { PURPOSE } from '../canonical/philox.ts';
import { clipScratch } from '../canonical/schedule.ts';
import { attentionShape } from '../canonical/shapes.ts';
import { gemmSize } from '../graph/cost.ts';
import { GraphError } from '../graph/graph-error.ts';
import { integersOf, type Node, numberOf } from '../graph/ir.ts';
import { elements } from '../graph/onnx.ts';
import type { OpName } from '../graph/ops.ts';
import type { Address, EmitNode, Emitter } from './emitter.ts';
import type { Rounding } from './plan.ts';

export const BLOCKS: Partial<Record<OpName, EmitNode>> = {
  MatMul: matMul,
  Softmax: (e, node) => {
    const n = last(e, input(node));
    e.call('softmax', e.at(output(node)), e.at(input(node)), e.count(input(node)) / n, n, 0);
  },
  SoftmaxGrad: (e, node) => {
    const n = last(e, input(node));
    const rows = e.count(input(node)) / n;
    e.call('softmaxGrad', e.at(output(node)), e.at(input(node)), e.at(input(node, 1)), rows, n);
  },
  LayerNorm: layerNorm,
  LayerNormGrad: layerNormGrad,
  Attention: (e, node) => attention(e, node, false),
  CausalAttention: (e, node) => attention(e, node, true),
  AttentionGrad: (e, node) => attentionGrad(e, node, false),
  CausalAttentionGrad: (e, node) => attentionGrad(e, node, true),
  Gather: gather,
  ScatterAdd: scatterAdd,
  CrossEntropy: (e, node) => crossEntropy(e, node, undefined),
  CrossEntropyGrad: (e, node) => crossEntropy(e, node, output(node)),
  Mse: (e, node) => mse(e, node, undefined),
  MseGrad: (e, node) => mse(e, node, output(node)),
  ClipNorm: clipNorm,
  AdamW: update,
  Sgd: update,
  SgdNesterov: update,
  SgdPlain: update,
};

const input = (node: Node, i = 0): string => must(node.inputs[i], 'an operand');
const output = (node: Node, i = 0): string => must(node.outputs[i], 'a result');
const last = (e: Emitter, name: string): number => must(e.dims(name).at(-1), 'an axis');

/** Which operand a mined product draws bits for. */
export function roundingOf(node: Node): Rounding {
  if (node.op === 'CPowGemmSRA') return 'stochasticA';
  return node.op === 'CPowGemmSRB' ? 'stochasticB' : 'nearest';
}

/** Mined node number `index`. */
export function minedGemm(e: Emitter, node: Node, index: number): void {
  const { m, n, k } = gemmSize(e.graph, node);
  const rounding = roundingOf(node);
  const [a, b] = [e.operand(input(node)), e.operand(input(node, 1))];
  const call = {
    ...{ node: index, m, n, k },
    qA: e.scratch(m * k),
    sA: e.scratch(4 * m),
    qBT: e.scratch(n * k),
    sB: e.scratch(4 * n),
    out: e.at(output(node)),
    scratch: e.scratch(igemmScratch(m, n, k)),
  };
  const uniforms = (drawn: Rounding, count: number, purpose: number): number => {
    if (rounding !== drawn) return 0;
    const out = e.scratch(4 * count);
    e.step({ kind: 'uniform', out, count, node: index, purpose });
    return out;
  };
  const uA = uniforms('stochasticA', m * k, PURPOSE.operandA);
  e.call('quantiseRows', call.qA, call.sA, a.address, m, k, a.turned ? 1 : 0, uA);
  const uB = uniforms('stochasticB', k * n, PURPOSE.operandB);
  e.call('quantiseCols', call.qBT, call.sB, b.address, k, n, b.turned ? 1 : 0, uB);
  e.step({ kind: 'gemm', call });
}

/** Independent f32 products; an operand without the batch axes is one for all, or lends its rows to m. */
function matMul(e: Emitter, node: Node): void {
  const [x, w] = [input(node), input(node, 1)];
  const a = e.dims(x);
  const dims = e.dims(output(node));
  const [rows, n] = [dims.at(-2) as number, dims.at(-1) as number];
  const k = a.at(-1) as number;
  const outer = elements(dims.slice(0, -2));
  const left = batched(e, x, dims.slice(0, -2));
  const right = batched(e, w, dims.slice(0, -2));
  // One right operand for all rows: a single product of more rows, the same sums in the same order.
  const merged = right.stride === 0 && left.stride !== 0 && !left.turned;
  const [m, batch] = merged ? [rows * outer, 1] : [rows, outer];
  const flags: Address[] = [left.turned ? 1 : 0, right.turned ? 1 : 0, 1];
  const strides = merged ? [0, 0, 0] : [left.stride * rows * k, right.stride * k * n, rows * n];
  const scratch = e.scratch(gemmF32Scratch(k));
  e.call('gemmF32', e.at(output(node)), left.address, right.address, m, n, k, ...flags, batch, ...strides, scratch);
}

interface BatchOperand {
  readonly address: Address;
  readonly turned: boolean;
  /** 1: one matrix per product; 0: one for all. */
  readonly stride: 0 | 1;
}

function batched(e: Emitter, name: string, batch: readonly number[]): BatchOperand {
  const dims = e.dims(name);
  const own = elements(dims.slice(0, -2));
  const operand = e.operand(name);
  if (own === elements(batch)) return { ...operand, stride: own === 1 ? 0 : 1 };
  if (own === 1) return { ...operand, stride: 0 };
  // Repeated along some batch axes only: written out. A turned operand is written out as it is stored.
  const tail = operand.turned ? [dims.at(-1) as number, dims.at(-2) as number] : dims.slice(-2);
  return {
    address: e.repeated(name, [...dims.slice(0, -2), ...tail], [...batch, ...tail]),
    turned: operand.turned,
    stride: 1,
  };
}

function layerNorm(e: Emitter, node: Node): void {
  const [rows = 0, n = 0] = e.dims(input(node));
  const out = node.outputs.map((name) => e.at(name));
  const eps = numberOf(node, 'eps');
  e.call('layerNorm', ...out, e.at(input(node)), e.at(input(node, 1)), e.at(input(node, 2)), rows, n, eps);
}

function layerNormGrad(e: Emitter, node: Node): void {
  const [rows = 0, n = 0] = e.dims(input(node));
  const addresses = [...node.outputs, ...node.inputs].map((name) => e.at(name));
  e.call('layerNormGrad', ...addresses, rows, n);
}

interface Heads {
  readonly table: Address;
  readonly scratch: number;
  readonly columns: number;
}

function heads(e: Emitter, node: Node, qkv: string, causal: boolean): Heads {
  const [sequences = 0, tokens = 0] = e.dims(qkv);
  const [, , , count = 0, width = 0] = integersOf(node, 'shape');
  const columns = count * width;
  const [one, three] = [columns, 3 * columns];
  const strides = { q: three, k: three, v: three, o: one, dq: three, dk: three, dv: three };
  const scale = numberOf(node, 'scale');
  const table = e.table(attentionShape({ sequences, heads: count, tokens, width, causal, scale, strides }));
  return { table, scratch: e.scratch(attentionScratch(tokens, width)), columns };
}

/** The addresses of q, k and v in one matrix of their columns side by side. */
function thirds(e: Emitter, name: string, columns: number): readonly [number, number, number] {
  const start = e.dense(name);
  return [start, start + 4 * columns, start + 8 * columns];
}

function attention(e: Emitter, node: Node, causal: boolean): void {
  const { table, scratch, columns } = heads(e, node, input(node), causal);
  const [o, p] = [e.at(output(node)), e.at(output(node, 1))];
  e.call('attention', o, p, ...thirds(e, input(node), columns), table, scratch);
}

function attentionGrad(e: Emitter, node: Node, causal: boolean): void {
  const [dy, qkv, p] = [input(node), input(node, 1), input(node, 2)];
  const { table, scratch, columns } = heads(e, node, qkv, causal);
  const d = thirds(e, output(node), columns);
  e.call('attentionGrad', ...d, e.at(dy), ...thirds(e, qkv, columns), e.at(p), table, scratch);
}

function gather(e: Emitter, node: Node): void {
  const [table, index] = [input(node), input(node, 1)];
  const [rows = 0] = e.dims(table);
  const columns = e.count(table) / rows;
  e.call('gather', e.at(output(node)), e.at(table), e.at(index), e.count(index), rows, columns);
}

function scatterAdd(e: Emitter, node: Node): void {
  const [dy, index] = [input(node), input(node, 1)];
  const [rows = 0, columns = 0] = e.dims(output(node));
  e.call('scatterAdd', e.at(output(node)), e.at(dy), e.at(index), e.count(index), rows, columns);
}

/** Loss and gradient come out of one call; what the graph does not ask for goes to scratch. */
export function crossEntropy(e: Emitter, node: Node, gradient: string | undefined, loss?: string): void {
  const [x, labels] = [input(node), input(node, 1)];
  const [rows = 0, classes = 0] = e.dims(x);
  const name = loss ?? (node.op === 'CrossEntropy' ? output(node) : undefined);
  const sum = name === undefined ? e.scratch(4) : e.at(name);
  const dx = gradient === undefined ? 0 : e.at(gradient);
  e.call('crossEntropy', sum, e.scratch(4 * rows), dx, e.at(x), e.at(labels), rows, classes);
}

/** As for the cross-entropy. */
export function mse(e: Emitter, node: Node, gradient: string | undefined, loss?: string): void {
  const [y, t] = [input(node), input(node, 1)];
  const name = loss ?? (node.op === 'Mse' ? output(node) : undefined);
  const sum = name === undefined ? e.scratch(4) : e.at(name);
  e.call('mse', sum, gradient === undefined ? 0 : e.at(gradient), e.at(y), e.at(t), e.count(y));
}

function clipNorm(e: Emitter, node: Node): void {
  const n = e.count(input(node));
  const g = e.at(output(node));
  e.move(g, e.at(input(node)), n);
  e.step({ kind: 'clip', g, n, most: numberOf(node, 'maxNorm'), scratch: e.scratch(clipScratch(n)) });
}

/** The scalars of a step reach an optimiser by name alone. */
const SCALARS: Partial<Record<OpName, readonly string[]>> = {
  AdamW: ['lr', 'c1', 'c2'],
  Sgd: ['lr'],
  SgdNesterov: ['lr'],
  SgdPlain: ['lr'],
};

function update(e: Emitter, node: Node): void {
  const scalars = must(SCALARS[node.op], 'an optimiser');
  const vectors = node.inputs.slice(0, -scalars.length);
  if (node.inputs.slice(vectors.length).join() !== scalars.join()) {
    throw new GraphError('NotAStepGraph', 'an optimiser without the scalars of a step', output(node));
  }
  const g = must(vectors.pop(), 'a gradient');
  const results = node.outputs.map((name) => e.at(name));
  vectors.forEach((name, i) => {
    if (e.at(name) !== results[i])
      throw new GraphError('NotAStepGraph', 'an optimiser of something else than the state', name);
  });
  const [theta = 0, m = 0, v = 0] = results;
  const rule =
    node.op === 'AdamW'
      ? ({
          kind: 'adamw',
          b1: numberOf(node, 'b1'),
          b2: numberOf(node, 'b2'),
          eps: numberOf(node, 'eps'),
          wd: numberOf(node, 'wd'),
        } as const)
      : ({
          kind: 'sgd',
          mu: node.op === 'SgdPlain' ? 0 : numberOf(node, 'mu'),
          wd: numberOf(node, 'wd'),
          nesterov: node.op === 'SgdNesterov',
        } as const);
  e.step({ kind: 'update', theta, m, v, g: e.at(g), n: e.count(g), rule });
}
