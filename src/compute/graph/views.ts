/**
 * # Views: where the elements of a moved tensor lie in the tensor that they came from.
 *
 * Always true: a view of a value names a base that no reshape, transpose, slice or split produced, and element
 * (i0, i1, ..) of the value is element offset + sum(i * stride) of the base.
 */
import { rowMajor } from './fold.ts';
import { type Graph, integersOf, type Node, numberOf, tensorOf } from './ir.ts';
import { elements } from './onnx.ts';

export interface View {
  readonly base: string;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** The node that computes each value of a graph. */
export function producersOf(graph: Graph): ReadonlyMap<string, Node> {
  const producers = new Map<string, Node>();
  for (const node of graph.nodes) for (const output of node.outputs) producers.set(output, node);
  return producers;
}

/** The view that `name` is, of the furthest base that strides can express. */
export function viewOf(graph: Graph, producers: ReadonlyMap<string, Node>, name: string): View {
  const moves: Node[] = [];
  let base = name;
  const names = [name];
  for (let node = producers.get(base); node !== undefined && isMove(node); node = producers.get(base)) {
    moves.push(node);
    base = node.inputs[0] as string;
    names.push(base);
  }
  // Forward again from the base; where strides cannot express a reshape, its result is the new base.
  let view = whole(graph, base);
  for (let i = moves.length - 1; i >= 0; i--) {
    view = moved(graph, moves[i] as Node, names[i] as string, view) ?? whole(graph, names[i] as string);
  }
  return view;
}

function isMove(node: Node): boolean {
  return node.op === 'Reshape' || node.op === 'Transpose' || node.op === 'Slice' || node.op === 'Split';
}

function whole(graph: Graph, base: string): View {
  const { dims } = tensorOf(graph, base);
  return { base, offset: 0, dims, strides: rowMajor(dims) };
}

function moved(graph: Graph, node: Node, output: string, from: View): View | undefined {
  const { dims } = tensorOf(graph, output);
  const stride = (axis: number): number => from.strides[axis] as number;
  switch (node.op) {
    case 'Transpose':
      return { ...from, dims, strides: integersOf(node, 'perm').map(stride) };
    case 'Slice': {
      let { offset } = from;
      const strides = [...from.strides];
      integersOf(node, 'axes').forEach((axis, i) => {
        offset += stride(axis) * (integersOf(node, 'starts')[i] as number);
        strides[axis] = stride(axis) * (integersOf(node, 'steps')[i] as number);
      });
      return { ...from, offset, dims, strides };
    }
    case 'Split': {
      const axis = numberOf(node, 'axis');
      const before = integersOf(node, 'split').slice(0, node.outputs.indexOf(output));
      const skipped = before.reduce((sum, size) => sum + size, 0);
      return { ...from, offset: from.offset + skipped * stride(axis), dims };
    }
    default: {
      const strides = reshapedStrides(from.dims, from.strides, dims);
      return strides && { ...from, dims, strides };
    }
  }
}

/** Strides after a reshape, or undefined where the elements do not lie at constant distances. */
function reshapedStrides(
  dims: readonly number[],
  strides: readonly number[],
  to: readonly number[],
): number[] | undefined {
  const from = dims.flatMap((size, i) => (size === 1 ? [] : [{ size, stride: strides[i] as number }]));
  const out: number[] = to.map(() => 0);
  let i = from.length - 1;
  let j = to.length - 1;
  while (j >= 0) {
    if (to[j] === 1) {
      j--;
      continue;
    }
    // Take axes of both sides until they hold equally many elements; the old ones must be one run.
    let old = from[i]?.size as number;
    const step = from[i]?.stride as number;
    let made = to[j] as number;
    out[j] = step;
    while (old !== made) {
      if (old < made) {
        const inner = from[i];
        const next = from[--i];
        if (next === undefined || inner === undefined || next.stride !== inner.stride * inner.size) return undefined;
        old *= next.size;
      } else {
        j--;
        if (j < 0) return undefined;
        out[j] = step * made;
        made *= to[j] as number;
      }
    }
    i--;
    j--;
  }
  return out;
}

/** Whether a view has these strides wherever an axis is longer than one, and this offset. */
export function isPlaced(view: View, dims: readonly number[], strides: readonly number[], offset: number): boolean {
  return (
    view.offset === offset &&
    view.dims.length === dims.length &&
    view.dims.every((size, i) => size === dims[i] && (size === 1 || view.strides[i] === strides[i]))
  );
}

/** Number of elements of a view's base. */
export function baseElements(graph: Graph, view: View): number {
  return elements(tensorOf(graph, view.base).dims);
}
