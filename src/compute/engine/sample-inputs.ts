/**
 * # Sample inputs: a batch for admission's run, when there is no data yet.
 *
 * Always true: the values follow from the graph alone; integers stay inside every table and class range they reach.
 */
import { type CompiledGraph, dataInputs } from '../graph/compile.ts';
import { elements } from '../graph/onnx.ts';
import type { RuntimeTensor } from './onnx-messages.ts';

/** Arrays for every data input. */
export function sampleInputs(compiled: CompiledGraph): Readonly<Record<string, RuntimeTensor>> {
  const bound = smallestTable(compiled);
  return Object.fromEntries(
    dataInputs(compiled).map(({ name, type, dims }) => {
      const n = elements(dims);
      if (type === 'f32') return [name, { type, dims, data: new Float32Array(n).map((_, i) => Math.sin(i)) }];
      if (type === 'bool') return [name, { type, dims, data: new Uint8Array(n).map((_, i) => i % 2) }];
      return [name, { type: 'i32', dims, data: new Int32Array(n).map((_, i) => (i * 7 + 3) % bound) }];
    }),
  );
}

/** The least number of rows or classes that an integer may name. */
function smallestTable({ graph }: CompiledGraph): number {
  const sizes = graph.nodes.flatMap(({ op, inputs }) => {
    const dims = graph.tensors.get(inputs[0] as string)?.dims ?? [];
    if (op === 'Gather') return [dims[0] ?? 1];
    return op === 'CrossEntropy' ? [dims[1] ?? 1] : [];
  });
  return Math.min(...sizes, 2 ** 31 - 1);
}
