/** # Reference, sums: SUM of section 2 of docs/spec/engine.md, 64 lanes and a tree, over rows, columns and axes. */
import type { KernelCalls } from '../kernels.ts';
import { maximum } from '../scalar.ts';
import type { LinearMemory } from './memory.ts';

const f = Math.fround;

/** SUM of the n terms that `term(i)` gives, each an f32 value. */
export function sumOf(n: number, term: (i: number) => number): number {
  const lanes = new Float32Array(64);
  for (let i = 0; i < n; i++) lanes[i % 64] = (lanes[i % 64] as number) + term(i);
  for (let h = 32; h >= 1; h /= 2) {
    for (let l = 0; l < h; l++) lanes[l] = (lanes[l] as number) + (lanes[l + h] as number);
  }
  return lanes[0] as number;
}

/** SUM of all elements. */
export function sumArray(x: Float32Array): number {
  return sumOf(x.length, (i) => x[i] as number);
}

type Calls = Pick<KernelCalls, 'sum' | 'rowSum' | 'rowMean' | 'rowMax' | 'columnSum' | 'sumAxes' | 'squareChunks'>;

export function sums(memory: LinearMemory): Calls {
  const perRow = (out: number, x: number, rows: number, n: number, value: (row: Float32Array) => number) => {
    const to = memory.floats(out, rows);
    for (let r = 0; r < rows; r++) to[r] = value(memory.floats(x + 4 * r * n, n));
  };
  return {
    sum: (x, n) => sumArray(memory.floats(x, n)),
    rowSum: (out, x, rows, n) => perRow(out, x, rows, n, sumArray),
    rowMean: (out, x, rows, n) => perRow(out, x, rows, n, (row) => f(sumArray(row) / f(n))),
    rowMax: (out, x, rows, n) => perRow(out, x, rows, n, (row) => row.reduce(maximum, Number.NEGATIVE_INFINITY)),
    columnSum(out, x, rows, cols) {
      const from = memory.floats(x, rows * cols);
      const to = memory.floats(out, cols);
      for (let c = 0; c < cols; c++) to[c] = sumOf(rows, (i) => from[i * cols + c] as number);
    },
    sumAxes(out, x, shape) {
      const table = memory.i32.subarray(shape / 4);
      const keptRank = table[0] as number;
      const reducedRank = table[1] as number;
      const kept = axesAt(table, 2, keptRank);
      const reduced = axesAt(table, 2 + 2 * keptRank, reducedRank);
      const to = memory.floats(out, kept.count);
      for (let o = 0; o < kept.count; o++) {
        const base = x / 4 + kept.place(o);
        to[o] = sumOf(reduced.count, (i) => memory.f32[base + reduced.place(i)] as number);
      }
    },
    squareChunks(out, x, n) {
      const from = memory.floats(x, n);
      const to = memory.floats(out, Math.ceil(n / CHUNK));
      for (let c = 0; c < to.length; c++) {
        const chunk = from.subarray(c * CHUNK, Math.min(n, (c + 1) * CHUNK));
        to[c] = sumOf(chunk.length, (i) => f((chunk[i] as number) * (chunk[i] as number)));
      }
    },
  };
}

/** Elements in a chunk of a global norm (section 9). */
const CHUNK = 4096;

interface Axes {
  readonly count: number;
  /** The element offset of a row-major position. */
  place(index: number): number;
}

/** Axes whose sizes, then strides, begin at table[from]. */
export function axesAt(table: Int32Array, from: number, rank: number): Axes {
  const sizes = Array.from(table.subarray(from, from + rank));
  const strides = Array.from(table.subarray(from + rank, from + 2 * rank));
  return {
    count: sizes.reduce((product, size) => product * size, 1),
    place(index) {
      let rest = index;
      let at = 0;
      for (let axis = rank - 1; axis >= 0; axis--) {
        const size = sizes[axis] as number;
        at += (rest % size) * (strides[axis] as number);
        rest = Math.floor(rest / size);
      }
      return at;
    },
  };
}
