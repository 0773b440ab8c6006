/**
 * # Planner: from a compiled graph to a plan.
 *
 * Always true: memory is reused as soon as the last reader of a value is done, elementwise results take the place of
 * operands that die with them, and gradients are computed inside the flat vector that the optimiser reads.
 */
import { assert, must } from '../../base/assert.ts';
import { MAX_BYTES, RESERVED_BYTES } from '../canonical/kernels.ts';
import { type CompiledGraph, dataInputs } from '../graph/compile.ts';
import { gemmSize, isMined } from '../graph/cost.ts';
import { ensure, GraphError } from '../graph/graph-error.ts';
import { type Graph, type Node, type Tensor, tensorOf } from '../graph/ir.ts';
import { elements } from '../graph/onnx.ts';
import { operator } from '../graph/ops.ts';
import { STATE_INPUTS } from '../graph/optimiser.ts';
import { align } from './arena.ts';
import { BLOCKS, crossEntropy, minedGemm, mse, roundingOf } from './emit-blocks.ts';
import { ELEMENTWISE } from './emit-elementwise.ts';
import { Emitter } from './emitter.ts';
import type { MinedNode, PlacedTensor, Plan } from './plan.ts';
import { bytesOf, isAlias, newStorage, type Place, placeValues, rootOf, type Storage } from './storage.ts';

export interface PlanOptions {
  /** First byte of the plan's memory. Default: the first that does not belong to the kernels' module. */
  readonly base?: number;
}

/** The plan of a step graph or an evaluation graph. Throws GraphError where its memory or form cannot be planned. */
export function planStep(compiled: CompiledGraph, options: PlanOptions = {}): Plan {
  const { graph } = compiled;
  const base = align(options.base ?? RESERVED_BYTES);
  const { fixed, state, inputs, end } = fixedPlaces(compiled, base);
  const places = placeValues(graph, fixed);
  const merged = mergedLosses(graph);
  const run = graph.nodes.filter((node) => !isAlias(node, places) && !merged.skipped.has(node));
  checkUpdatesLast(run);
  markUses(graph, run, merged.pairs, places);
  const e = new Emitter(graph, places, end);
  let index = 0;
  run.forEach((node, i) => {
    const partner = merged.pairs.get(node);
    const outputs = [...node.outputs, ...(partner?.outputs ?? [])];
    e.begin(i, outputs, (partner ?? node).outputs[0], reusableOperands(node));
    if (isMined(node)) minedGemm(e, node, index++);
    else if (partner !== undefined) emitLoss(e, node, partner);
    else emitNode(e, node);
    e.end();
  });
  const { steps, tables, bytes } = e.finish();
  ensure(bytes <= MAX_BYTES, 'CostTooHigh', `${bytes} bytes of memory`);
  return {
    ...{ compiled, base, bytes, state, inputs, tables, steps },
    outputs: graph.outputs.map((name, i) => placedOutput(compiled, places, name, i, state)),
    mined: minedNodes(compiled.graph),
  };
}

/** The mined products of a graph, in the order of its transcript. */
export function minedNodes(graph: Graph): MinedNode[] {
  return graph.nodes.filter(isMined).map((node, index) => {
    const name = must(node.outputs[0], 'a result');
    return { index, name, ...gemmSize(graph, node), rounding: roundingOf(node) };
  });
}

interface Fixed {
  readonly fixed: ReadonlyMap<string, Storage>;
  readonly state: Plan['state'];
  readonly inputs: readonly PlacedTensor[];
  readonly end: number;
}

/** theta, m and v without a gap, then the inputs of a batch. */
function fixedPlaces(compiled: CompiledGraph, base: number): Fixed {
  const fixed = new Map<string, Storage>();
  let end = base;
  const put = (tensor: Tensor): PlacedTensor => {
    const bytes = bytesOf(tensor.dims);
    fixed.set(tensor.name, newStorage(bytes, end));
    const placed = { ...tensor, offset: end };
    end += bytes;
    return placed;
  };
  const state = STATE_INPUTS.flatMap((name) => compiled.graph.inputs.find((input) => input.name === name) ?? []);
  for (const tensor of state) put(tensor);
  const inputs = dataInputs(compiled).map((tensor) => {
    end = align(end);
    return put(tensor);
  });
  const count = elements(must(state[0], 'theta').dims);
  return { fixed, state: { offset: base, parts: state.length, count }, inputs, end };
}

/** A loss and its gradient of equal operands are one kernel call. */
function mergedLosses(graph: Graph): { pairs: ReadonlyMap<Node, Node>; skipped: ReadonlySet<Node> } {
  const pairs = new Map<Node, Node>();
  const skipped = new Set<Node>();
  const key = (op: string, inputs: readonly string[]): string => JSON.stringify([op, inputs]);
  const gradients = new Map(graph.nodes.map((node) => [key(node.op, node.inputs), node]));
  for (const node of graph.nodes) {
    if (node.op !== 'CrossEntropy' && node.op !== 'Mse') continue;
    const partner = gradients.get(key(`${node.op}Grad`, node.inputs));
    if (partner === undefined || skipped.has(partner)) continue;
    pairs.set(node, partner);
    skipped.add(partner);
  }
  return { pairs, skipped };
}

function isUpdate({ op }: Node): boolean {
  return op === 'AdamW' || op.startsWith('Sgd');
}

/** The state is overwritten in place, so nothing may read the old one afterwards, and no part is written twice. */
function checkUpdatesLast(run: readonly Node[]): void {
  const first = run.findIndex(isUpdate);
  if (first < 0) return;
  const late = run.slice(first).find((node) => !isUpdate(node));
  ensure(late === undefined, 'NotAStepGraph', 'a node after the optimiser', late?.outputs[0]);
  const updated = run.slice(first).flatMap(({ inputs, outputs }) => inputs.slice(0, outputs.length));
  ensure(new Set(updated).size === updated.length, 'NotAStepGraph', 'a vector of the state is updated twice');
}

/** Marks on every root storage the index of the last node that touches it. */
function markUses(
  graph: Graph,
  run: readonly Node[],
  pairs: ReadonlyMap<Node, Node>,
  places: ReadonlyMap<string, Place>,
): void {
  const touch = (name: string, index: number): void => {
    const place = places.get(name);
    if (place === undefined) return;
    const { storage } = rootOf(place);
    storage.lastUse = Math.max(storage.lastUse, index);
  };
  run.forEach((node, i) => {
    for (const name of [...node.inputs, ...node.outputs, ...(pairs.get(node)?.outputs ?? [])]) touch(name, i);
  });
  for (const name of graph.outputs) touch(name, Number.POSITIVE_INFINITY);
}

/** Operands whose memory the kernel of a node may write its first result to. */
function reusableOperands(node: Node): readonly string[] {
  switch (node.op) {
    case 'LayerNorm':
    case 'CrossEntropy':
    case 'CrossEntropyGrad':
    case 'Mse':
    case 'MseGrad':
    case 'Softmax':
    case 'ClipNorm':
      return node.inputs.slice(0, 1);
    case 'LayerNormGrad':
      return node.inputs.slice(0, 2);
    case 'MatMul':
    case 'Transpose':
    case 'Expand':
    case 'Concat':
    case 'Split':
    case 'Slice':
    case 'Gather':
    case 'ScatterAdd':
    case 'ReduceSum':
    case 'ReduceMean':
    case 'ReduceMax':
    case 'Attention':
    case 'CausalAttention':
    case 'AttentionGrad':
    case 'CausalAttentionGrad':
    case 'CPowGemm':
    case 'CPowGemmSRA':
    case 'CPowGemmSRB':
      return [];
    default:
      return node.inputs;
  }
}

function emitLoss(e: Emitter, node: Node, partner: Node): void {
  const [loss, gradient] = [node.outputs[0] as string, partner.outputs[0] as string];
  if (node.op === 'Mse') mse(e, node, gradient, loss);
  else crossEntropy(e, node, gradient, loss);
}

function emitNode(e: Emitter, node: Node): void {
  const emit = ELEMENTWISE[node.op] ?? BLOCKS[node.op];
  assert(emit !== undefined, `${node.op} of domain ${operator(node.op).domain} has no kernel`);
  emit(e, node);
}

/** Where an output lies after a run: the new state in place of the old one, the loss wherever it was computed. */
function placedOutput(
  compiled: CompiledGraph,
  places: ReadonlyMap<string, Place>,
  name: string,
  i: number,
  state: Plan['state'],
): PlacedTensor {
  const tensor = tensorOf(compiled.graph, name);
  const place = places.get(name);
  if (place === undefined) throw new GraphError('NotAStepGraph', 'an output is constant', name);
  const { storage, offset } = rootOf(place);
  const isState = compiled.kind === 'step' && i < state.parts;
  if (isState) {
    const expected = state.offset + 4 * i * state.count;
    ensure(storage.fixed !== undefined && storage.fixed + offset === expected, 'NotAStepGraph', `output ${name}`);
    return { ...tensor, offset: expected };
  }
  return { ...tensor, offset: must(storage.fixed ?? storage.at, 'a computed output') + offset };
}
