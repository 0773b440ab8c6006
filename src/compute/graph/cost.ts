/**
 * # Cost: what a graph will cost is known before anything of it runs.
 *
 * Always true: the counts follow from shapes alone. Multiply-accumulates are those of matrix products and attention;
 * elements are those of all values, an upper bound on the memory of a plan without reuse.
 */
import { ensure } from './graph-error.ts';
import { type Graph, integersOf, type Node, tensorOf } from './ir.ts';
import { elements } from './onnx.ts';

/** Limits of the static cost model. */
export interface Limits {
  /** The most multiply-accumulates of one run: 2^43 is three minutes of a thread at 41 GMAC/s. */
  readonly macs: number;
  /** The most elements of all values together: 2^31 f32 are twice what the kernels' memory can hold. */
  readonly elements: number;
}

export const DEFAULT_LIMITS: Limits = { macs: 2 ** 43, elements: 2 ** 31 };

export interface Cost {
  readonly macs: number;
  readonly elements: number;
  readonly nodes: number;
}

/** Sizes of a product c[m][n] = a[m][k] b[k][n]. */
export interface GemmSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Whether a node is a mined product. */
export function isMined(node: Node): boolean {
  return node.op === 'CPowGemm' || node.op === 'CPowGemmSRA' || node.op === 'CPowGemmSRB';
}

/** The sizes of a mined product. */
export function gemmSize(graph: Pick<Graph, 'tensors'>, node: Node): GemmSize {
  const [m = 0, k = 0] = graph.tensors.get(node.inputs[0] as string)?.dims ?? [];
  const [, n = 0] = graph.tensors.get(node.inputs[1] as string)?.dims ?? [];
  return { m, n, k };
}

/** Multiply-accumulates of one node. */
function macsOf(graph: Graph, node: Node): number {
  const dims = (name: string | undefined): readonly number[] => tensorOf(graph, name as string).dims;
  if (isMined(node)) {
    const { m, n, k } = gemmSize(graph, node);
    return m * n * k;
  }
  if (node.op === 'MatMul') return elements(dims(node.outputs[0])) * (dims(node.inputs[0]).at(-1) as number);
  if (!node.op.includes('Attention')) return 0;
  const width = integersOf(node, 'shape')[4] as number;
  const gradient = node.op.endsWith('Grad');
  return elements(dims(gradient ? node.inputs[2] : node.outputs[1])) * width * (gradient ? 4 : 2);
}

/** The cost of a graph. */
function costOf(graph: Graph): Cost {
  let macs = 0;
  for (const node of graph.nodes) macs += macsOf(graph, node);
  let count = 0;
  for (const { dims } of graph.tensors.values()) count += elements(dims);
  return { macs, elements: count, nodes: graph.nodes.length };
}

/** Refuses a graph beyond the limits. Throws GraphError. */
export function checkCost(graph: Graph, limits: Limits): Cost {
  const cost = costOf(graph);
  ensure(cost.macs <= limits.macs, 'CostTooHigh', `${cost.macs} multiply-accumulates, at most ${limits.macs}`);
  ensure(cost.elements <= limits.elements, 'CostTooHigh', `${cost.elements} elements, at most ${limits.elements}`);
  return cost;
}
