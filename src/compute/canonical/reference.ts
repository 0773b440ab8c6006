/**
 * # Reference kernels: class i7 in plain JavaScript, the specification and the referee.
 *
 * Always true: every operation is one IEEE single rounding (Math.fround or a store to an f32 array), in exactly the
 * brackets of docs/spec/engine.md. It is written to be read and compared, not to be fast.
 */
import type { Kernels } from './kernels.ts';
import { elementwise } from './reference/elementwise.ts';
import { LinearMemory } from './reference/memory.ts';
import { normalise } from './reference/normalise.ts';
import { optimise } from './reference/optimise.ts';
import { attentions, matrixProducts } from './reference/products.ts';
import { quantise } from './reference/quantise.ts';
import { sums } from './reference/sums.ts';
import { tables } from './reference/tables.ts';

/** Reference kernels over a fresh memory of at least `bytes`. */
export function referenceKernels(bytes: number): Kernels {
  const memory = new LinearMemory(bytes);
  return Object.assign(memory, {
    ...elementwise(memory),
    ...sums(memory),
    ...normalise(memory),
    ...matrixProducts(memory),
    ...attentions(memory),
    ...tables(memory),
    ...quantise(memory),
    ...optimise(memory),
  });
}
