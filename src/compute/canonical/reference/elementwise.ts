/** # Reference, elementwise: operators of sections 1, 3 and 4 of docs/spec/engine.md over tensors. */
import { must } from '../../../base/assert.ts';
import { BINARY, GRADIENT, type KernelCalls, UNARY } from '../kernels.ts';
import * as scalar from '../scalar.ts';
import type { LinearMemory } from './memory.ts';

const f = Math.fround;
type Two = (a: number, b: number) => number;

const unaryTable = new Map<number, (x: number) => number>([
  [UNARY.neg, (x) => -x],
  [UNARY.abs, (x) => Math.abs(x)],
  [UNARY.sqrt, (x) => f(Math.sqrt(x))],
  [UNARY.exp, scalar.exp],
  [UNARY.log, scalar.log],
  [UNARY.tanh, scalar.tanh],
  [UNARY.sigmoid, scalar.sigmoid],
  [UNARY.erf, scalar.erf],
  [UNARY.relu, scalar.relu],
  [UNARY.gelu, scalar.gelu],
  [UNARY.geluErf, scalar.geluErf],
  [UNARY.silu, scalar.silu],
  [UNARY.rsqrt, scalar.rsqrt],
]);

const gradientTable = new Map<number, Two>([
  [GRADIENT.exp, scalar.expGrad],
  [GRADIENT.log, scalar.logGrad],
  [GRADIENT.tanh, scalar.tanhGrad],
  [GRADIENT.sigmoid, scalar.sigmoidGrad],
  [GRADIENT.erf, scalar.erfGrad],
  [GRADIENT.relu, scalar.reluGrad],
  [GRADIENT.gelu, scalar.geluGrad],
  [GRADIENT.geluErf, scalar.geluErfGrad],
  [GRADIENT.silu, scalar.siluGrad],
]);

const binaryTable = new Map<number, Two>([
  [BINARY.add, (a, b) => f(a + b)],
  [BINARY.sub, (a, b) => f(a - b)],
  [BINARY.mul, (a, b) => f(a * b)],
  [BINARY.div, (a, b) => f(a / b)],
  [BINARY.max, scalar.maximum],
  [BINARY.min, scalar.minimum],
  [BINARY.subFrom, (a, b) => f(b - a)],
  [BINARY.divInto, (a, b) => f(b / a)],
  [BINARY.less, (a, b) => (a < b ? 1 : 0)],
  [BINARY.lessOrEqual, (a, b) => (a <= b ? 1 : 0)],
  [BINARY.greater, (a, b) => (a > b ? 1 : 0)],
  [BINARY.greaterOrEqual, (a, b) => (a >= b ? 1 : 0)],
  [BINARY.equal, (a, b) => (a === b ? 1 : 0)],
]);

type Calls = Pick<
  KernelCalls,
  'unary' | 'gradient' | 'binary' | 'binaryScalar' | 'binaryRow' | 'binaryColumn' | 'where'
>;

export function elementwise(memory: LinearMemory): Calls {
  /** b of row r, column c lies at element r * rowStep + c * colStep of b. */
  function binaryAt(op: number, out: number, a: number, b: Float32Array, rows: number, cols: number, steps: Steps) {
    const apply = must(binaryTable.get(op), 'a known operator');
    const left = memory.floats(a, rows * cols);
    const to = memory.floats(out, rows * cols);
    for (let r = 0, i = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++, i++) {
        to[i] = apply(left[i] as number, b[r * steps.row + c * steps.column] as number);
      }
    }
  }
  return {
    unary(op, out, x, n) {
      const apply = must(unaryTable.get(op), 'a known operator');
      const from = memory.floats(x, n);
      const to = memory.floats(out, n);
      for (let i = 0; i < n; i++) to[i] = apply(from[i] as number);
    },
    gradient(op, dx, x, dy, n) {
      const apply = must(gradientTable.get(op), 'a known operator');
      const from = memory.floats(x, n);
      const slope = memory.floats(dy, n);
      const to = memory.floats(dx, n);
      for (let i = 0; i < n; i++) to[i] = apply(from[i] as number, slope[i] as number);
    },
    binary: (op, out, a, b, n) => binaryAt(op, out, a, memory.floats(b, n), 1, n, { row: 0, column: 1 }),
    binaryScalar: (op, out, a, scalarValue, n) =>
      binaryAt(op, out, a, Float32Array.of(scalarValue), 1, n, { row: 0, column: 0 }),
    binaryRow: (op, out, a, b, rows, cols) =>
      binaryAt(op, out, a, memory.floats(b, cols), rows, cols, { row: 0, column: 1 }),
    binaryColumn: (op, out, a, b, rows, cols) =>
      binaryAt(op, out, a, memory.floats(b, rows), rows, cols, { row: 1, column: 0 }),
    where(out, condition, a, b, n) {
      const test = memory.floats(condition, n);
      const yes = memory.words(a, n);
      const no = memory.words(b, n);
      const to = memory.words(out, n);
      for (let i = 0; i < n; i++) to[i] = (test[i] !== 0 ? yes[i] : no[i]) as number;
    },
  };
}

interface Steps {
  readonly row: number;
  readonly column: number;
}
