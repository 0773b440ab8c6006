/** # Reference, products: GemmF32 and attention (section 5 of docs/spec/engine.md): sums in order, no reordering. */
import type { KernelCalls } from '../kernels.ts';
import { ofBits } from '../scalar.ts';
import type { LinearMemory } from './memory.ts';
import { softmaxGradRow, softmaxRow } from './normalise.ts';

const f = Math.fround;

/** acc = acc + a*b over l = first .. end-1 in order, from +0, of elements a[aAt + l*aStep] and b[bAt + l*bStep]. */
function ordered(
  a: Float32Array,
  aAt: number,
  aStep: number,
  b: Float32Array,
  bAt: number,
  bStep: number,
  first: number,
  end: number,
): number {
  let sum = 0;
  for (let l = first; l < end; l++) {
    sum = f(sum + f((a[aAt + l * aStep] as number) * (b[bAt + l * bStep] as number)));
  }
  return sum;
}

/** The gemmF32 kernel. */
export function matrixProducts(memory: LinearMemory): Pick<KernelCalls, 'gemmF32'> {
  return {
    gemmF32(c, a, b, m, n, k, transposeA, transposeB, scale, batch, strideA, strideB, strideC) {
      const values = memory.f32;
      const [aRow, aStep] = transposeA ? [1, m] : [k, 1];
      const [bColumn, bStep] = transposeB ? [k, 1] : [1, n];
      for (let t = 0; t < batch; t++) {
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            const aAt = a / 4 + t * strideA + i * aRow;
            const bAt = b / 4 + t * strideB + j * bColumn;
            const sum = ordered(values, aAt, aStep, values, bAt, bStep, 0, k);
            values[c / 4 + t * strideC + i * n + j] = sum * scale;
          }
        }
      }
    },
  };
}

/** One head's places: element (row, column) of an operand lies at `base + row * stride + column`. */
interface Place {
  readonly base: number;
  readonly stride: number;
}

interface HeadShape {
  readonly tokens: number;
  readonly width: number;
  readonly causal: boolean;
  readonly scale: number;
}

/** The first row whose range holds column j, and the number of columns in row i's range. */
const firstRow = (shape: HeadShape, j: number): number => (shape.causal ? j : 0);
const rangeOf = (shape: HeadShape, i: number): number => (shape.causal ? i + 1 : shape.tokens);

export function attentions(memory: LinearMemory): Pick<KernelCalls, 'attention' | 'attentionGrad'> {
  return {
    attention(o, p, q, k, v, shape) {
      forEachHead(memory, shape, (head, place, index) => {
        const scores = memory.floats(p + 4 * index * head.tokens * head.tokens, head.tokens * head.tokens);
        forward(
          memory.f32,
          head,
          place(o, STRIDE.o),
          scores,
          place(q, STRIDE.q),
          place(k, STRIDE.k),
          place(v, STRIDE.v),
        );
      });
    },
    attentionGrad(dq, dk, dv, grad, q, k, v, p, shape) {
      forEachHead(memory, shape, (head, place, index) => {
        const scores = memory.floats(p + 4 * index * head.tokens * head.tokens, head.tokens * head.tokens);
        const g = place(grad, STRIDE.o);
        const ds = scoreGradients(memory.f32, head, scores, g, place(v, STRIDE.v));
        mixRows(memory.f32, head, place(dq, STRIDE.dq), ds, place(k, STRIDE.k));
        mixColumns(memory.f32, head, place(dk, STRIDE.dk), ds, place(q, STRIDE.q), head.scale);
        mixColumns(memory.f32, head, place(dv, STRIDE.dv), scores, g, 1);
      });
    },
  };
}

/** Word indices of the strides in an `attentionShape`. */
const STRIDE = { q: 6, k: 7, v: 8, o: 9, dq: 10, dk: 11, dv: 12 } as const;

function forEachHead(
  memory: LinearMemory,
  shape: number,
  visit: (head: HeadShape, place: (offset: number, stride: number) => Place, index: number) => void,
): void {
  const table = memory.i32.slice(shape / 4, shape / 4 + 13);
  const word = (index: number): number => table[index] as number;
  const [sequences, heads, tokens, width] = [word(0), word(1), word(2), word(3)];
  const head = { tokens, width, causal: word(4) !== 0, scale: ofBits(word(5)) };
  for (let s = 0; s < sequences; s++) {
    for (let h = 0; h < heads; h++) {
      const place = (offset: number, stride: number): Place => ({
        base: offset / 4 + s * tokens * word(stride) + h * width,
        stride: word(stride),
      });
      visit(head, place, s * heads + h);
    }
  }
}

function forward(x: Float32Array, head: HeadShape, o: Place, p: Float32Array, q: Place, k: Place, v: Place): void {
  const { tokens, width, scale } = head;
  for (let i = 0; i < tokens; i++) {
    const row = p.subarray(i * tokens, (i + 1) * tokens);
    const range = rangeOf(head, i);
    for (let j = 0; j < range; j++) {
      row[j] = ordered(x, q.base + i * q.stride, 1, x, k.base + j * k.stride, 1, 0, width) * scale;
    }
    softmaxRow(row, row, range);
    for (let d = 0; d < width; d++) {
      x[o.base + i * o.stride + d] = ordered(row, 0, 1, x, v.base + d, v.stride, 0, range);
    }
  }
}

/** ds[tokens][tokens] = SoftmaxGrad(p, dp) with dp = g v^T, row by row over the row's range. */
function scoreGradients(x: Float32Array, head: HeadShape, p: Float32Array, g: Place, v: Place): Float32Array {
  const { tokens, width } = head;
  const ds = new Float32Array(tokens * tokens);
  for (let i = 0; i < tokens; i++) {
    const row = ds.subarray(i * tokens, (i + 1) * tokens);
    const range = rangeOf(head, i);
    for (let j = 0; j < range; j++) {
      row[j] = ordered(x, g.base + i * g.stride, 1, x, v.base + j * v.stride, 1, 0, width);
    }
    softmaxGradRow(row, p.subarray(i * tokens, (i + 1) * tokens), row, range);
  }
  return ds;
}

/** out_id = (sum of w_ij b_jd over row i's range, ascending) * scale. */
function mixRows(x: Float32Array, head: HeadShape, out: Place, w: Float32Array, b: Place): void {
  for (let i = 0; i < head.tokens; i++) {
    for (let d = 0; d < head.width; d++) {
      const sum = ordered(w, i * head.tokens, 1, x, b.base + d, b.stride, 0, rangeOf(head, i));
      x[out.base + i * out.stride + d] = sum * head.scale;
    }
  }
}

/** out_jd = (sum of w_ij b_id over the rows i whose range holds j, ascending) * scale. */
function mixColumns(x: Float32Array, head: HeadShape, out: Place, w: Float32Array, b: Place, scale: number): void {
  for (let j = 0; j < head.tokens; j++) {
    for (let d = 0; d < head.width; d++) {
      const sum = ordered(w, j, head.tokens, x, b.base + d, b.stride, firstRow(head, j), head.tokens);
      x[out.base + j * out.stride + d] = sum * scale;
    }
  }
}
