/** # Reference, tables: gather, scatter-add and the strided copy (section 5 of docs/spec/engine.md). */
import { type KernelCalls, STATUS } from '../kernels.ts';
import type { LinearMemory } from './memory.ts';
import { axesAt } from './sums.ts';

export function tables(memory: LinearMemory): Pick<KernelCalls, 'gather' | 'scatterAdd' | 'copy'> {
  return {
    gather(out, table, index, count, tableRows, cols) {
      const rows = memory.words(index, count).slice();
      if (rows.some((row) => row >= tableRows)) return STATUS.outOfRange;
      const from = memory.words(table, tableRows * cols);
      rows.forEach((row, i) => {
        memory.u32.set(from.subarray(row * cols, (row + 1) * cols), out / 4 + i * cols);
      });
      return STATUS.ok;
    },
    scatterAdd(dw, dy, index, count, tableRows, cols) {
      const rows = memory.words(index, count).slice();
      if (rows.some((row) => row >= tableRows)) return STATUS.outOfRange;
      const to = memory.floats(dw, tableRows * cols).fill(0);
      const from = memory.floats(dy, count * cols);
      rows.forEach((row, i) => {
        for (let j = 0; j < cols; j++) {
          to[row * cols + j] = (to[row * cols + j] as number) + (from[i * cols + j] as number);
        }
      });
      return STATUS.ok;
    },
    copy(out, x, shape) {
      const table = memory.i32.slice(shape / 4, shape / 4 + 19);
      const rank = table[0] as number;
      const outAxes = axesAt(table, 1, rank);
      // The input's strides follow the output's: sizes and input strides side by side make the same walk.
      const inTable = Int32Array.of(...table.subarray(1, 1 + rank), ...table.subarray(1 + 2 * rank, 1 + 3 * rank));
      const inAxes = axesAt(inTable, 0, rank);
      for (let i = 0; i < outAxes.count; i++) {
        memory.u32[out / 4 + outAxes.place(i)] = memory.u32[x / 4 + inAxes.place(i)] as number;
      }
    },
  };
}
