import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  attentionScratch,
  BINARY,
  type BinaryOp,
  GRADIENT,
  type GradientOp,
  gemmF32Scratch,
  igemmScratch,
  type Kernels,
  UNARY,
  type UnaryOp,
} from '../../../src/compute/canonical/kernels.ts';
import { referenceKernels } from '../../../src/compute/canonical/reference.ts';
import { attentionShape, copyShape, sumShape } from '../../../src/compute/canonical/shapes.ts';
import { instantiateKernels } from '../../../src/compute/canonical/wasm.ts';
import { Bench } from './bench.ts';
import { type Draw, draws, Source } from './inputs.ts';
import { wasmBytes } from './sources.ts';

/** What a scenario does on one executor; the words it returns must not depend on which. */
type Scenario = (bench: Bench, source: Source, draw: Draw) => readonly Uint32Array[];

const executors: readonly Kernels[] = [referenceKernels(1 << 20), instantiateKernels(wasmBytes(), 16)];
const SIZES = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 257, 500, 1000];

/** Runs a scenario on both executors with the same inputs, over every distribution and `seeds` seeds. */
function agree(name: string, seeds: number, scenario: Scenario): void {
  test(name, () => {
    for (const [label, draw] of Object.entries(draws)) {
      for (let seed = 1; seed <= seeds; seed++) {
        const [reference, wasm] = executors.map((kernels) => scenario(new Bench(kernels), new Source(seed), draw));
        assert.deepEqual(wasm, reference, `${label}, seed ${seed}`);
      }
    }
  });
}

/** One size per seed, and no two seeds alike. */
const sizeOf = (source: Source): number => SIZES[source.seed % SIZES.length] as number;

describe('the WASM module and plain JavaScript leave the same bits:', () => {
  agree('every unary operator, also in place and at odd offsets', SIZES.length, (bench, source, draw) => {
    const n = sizeOf(source);
    const out: Uint32Array[] = [];
    for (const op of Object.values(UNARY) as UnaryOp[]) {
      bench.clear();
      const [x, y] = [bench.words(draw(source, n), source.seed % 4), bench.room(n)];
      bench.kernels.unary(op, y, x, n);
      bench.kernels.unary(op, x, x, n);
      out.push(bench.read(y, n), bench.read(x, n));
    }
    return out;
  });

  agree('every gradient', SIZES.length, (bench, source, draw) => {
    const n = sizeOf(source);
    return (Object.values(GRADIENT) as GradientOp[]).map((op) => {
      bench.clear();
      const [x, dy] = [bench.words(draw(source, n)), bench.words(draw(source, n))];
      bench.kernels.gradient(op, dy, x, dy, n);
      return bench.read(dy, n);
    });
  });

  agree('every binary operator, whole, scalar, by row and by column', SIZES.length, (bench, source, draw) => {
    const cols = sizeOf(source);
    const rows = 3;
    const n = rows * cols;
    return (Object.values(BINARY) as BinaryOp[]).flatMap((op) => {
      bench.clear();
      const [a, b] = [bench.words(draw(source, n)), bench.words(draw(source, n))];
      const outs = [0, 1, 2, 3].map(() => bench.room(n)) as [number, number, number, number];
      bench.kernels.binary(op, outs[0], a, b, n);
      bench.kernels.binaryScalar(op, outs[1], a, bench.kernels.f32[b / 4] as number, n);
      bench.kernels.binaryRow(op, outs[2], a, b, rows, cols);
      bench.kernels.binaryColumn(op, outs[3], a, b, rows, cols);
      return outs.map((at) => bench.read(at, n));
    });
  });

  agree('selection by a condition', SIZES.length, (bench, source, draw) => {
    const n = sizeOf(source);
    const [c, a, b] = [bench.words(draw(source, n)), bench.words(draw(source, n)), bench.words(draw(source, n))];
    bench.kernels.where(a, c, a, b, n);
    return [bench.read(a, n)];
  });

  agree('sums, means and maxima of rows, columns, axes and chunks', SIZES.length, (bench, source, draw) => {
    const [rows, cols] = [sizeOf(source), SIZES[(source.seed * 7) % 16] as number];
    const x = bench.words(draw(source, rows * cols));
    const [bySum, byMean, byMax, columns] = [bench.room(rows), bench.room(rows), bench.room(rows), bench.room(cols)];
    const [chunks, all] = [bench.room(64), bench.room(1)];
    bench.kernels.rowSum(bySum, x, rows, cols);
    bench.kernels.rowMean(byMean, x, rows, cols);
    bench.kernels.rowMax(byMax, x, rows, cols);
    bench.kernels.columnSum(columns, x, rows, cols);
    bench.kernels.squareChunks(chunks, x, rows * cols);
    bench.kernels.f32[all / 4] = bench.kernels.sum(x, rows * cols);
    const places: readonly (readonly [number, number])[] = [
      ...([
        [bySum, rows],
        [byMean, rows],
        [byMax, rows],
        [columns, cols],
        [all, 1],
      ] as const),
      [chunks, Math.ceil((rows * cols) / 4096)],
    ];
    return places.map(([at, n]) => bench.read(at, n));
  });

  agree('sums over any axes of a tensor', 6, (bench, source, draw) => {
    const sizes = [3, 5, 4, 2 + source.seed] as const;
    const strides = [sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1];
    const x = bench.words(
      draw(
        source,
        sizes.reduce((product, size) => product * size, 1),
      ),
    );
    const out: Uint32Array[] = [];
    for (let mask = 0; mask < 16; mask++) {
      const axes = sizes.map((size, axis) => ({ size, stride: strides[axis] as number, reduced: (mask >> axis) % 2 }));
      const kept = axes.filter((axis) => axis.reduced === 0);
      const count = kept.reduce((product, axis) => product * axis.size, 1);
      const table = sumShape(
        kept,
        axes.filter((axis) => axis.reduced === 1),
      );
      const [shape, y] = [bench.words(new Uint32Array(table)), bench.room(count)];
      bench.kernels.sumAxes(y, x, shape);
      out.push(bench.read(y, count));
    }
    return out;
  });

  agree('strided copies: transpose, expand, reverse, slice', 6, (bench, source, draw) => {
    const [a, b, c] = [2, 3 + source.seed, 17];
    const x = bench.words(draw(source, a * b * c));
    const shapes = [
      { sizes: [a, c, b], outStrides: [c * b, b, 1], inStrides: [b * c, 1, c] },
      { sizes: [c, b, a], outStrides: [a * b, a, 1], inStrides: [1, c, b * c] },
      { sizes: [a, 4, b, c], outStrides: [4 * b * c, b * c, c, 1], inStrides: [b * c, 0, c, 1] },
      { sizes: [b, c - 2], outStrides: [c - 2, 1], inStrides: [c, 1] },
      { sizes: [b * c], outStrides: [1], inStrides: [1] },
      { sizes: [], outStrides: [], inStrides: [] },
    ];
    return shapes.map((shape) => {
      const n = shape.sizes.reduce((product, size) => product * size, 1);
      const [table, y] = [bench.words(new Uint32Array(copyShape(shape))), bench.room(n)];
      bench.kernels.copy(y, x, table);
      return bench.read(y, n);
    });
  });

  agree('layer normalisation and its gradient, dx in place of dy', SIZES.length, (bench, source, draw) => {
    const [rows, n] = [1 + (source.seed % 70), Math.min(sizeOf(source), 300)];
    const [x, gamma, beta] = [
      bench.words(draw(source, rows * n)),
      bench.words(draw(source, n)),
      bench.words(draw(source, n)),
    ];
    const [y, mean, rstd, dy] = [
      bench.room(rows * n),
      bench.room(rows),
      bench.room(rows),
      bench.words(draw(source, rows * n)),
    ];
    const [dgamma, dbeta] = [bench.room(n), bench.room(n)];
    bench.kernels.layerNorm(y, mean, rstd, x, gamma, beta, rows, n, 2 ** -17);
    bench.kernels.layerNormGrad(dy, dgamma, dbeta, dy, x, gamma, mean, rstd, rows, n);
    return [
      ...[bench.read(y, rows * n), bench.read(mean, rows), bench.read(rstd, rows)],
      ...[bench.read(dy, rows * n), bench.read(dgamma, n), bench.read(dbeta, n)],
    ];
  });

  agree('softmax, its gradient and the losses', SIZES.length, (bench, source, draw) => {
    const [rows, n] = [1 + (source.seed % 5), sizeOf(source)];
    const [x, p, dp] = [bench.words(draw(source, rows * n)), bench.room(rows * n), bench.words(draw(source, rows * n))];
    const [causal, labels] = [bench.room(rows * n), bench.words(source.indices(rows, n))];
    const [loss, rowLoss, dx, only] = [bench.room(1), bench.room(rows), bench.room(rows * n), bench.room(1)];
    const k = bench.kernels;
    k.softmax(p, x, rows, n, 0);
    k.softmax(causal, x, rows, n, 1);
    const codes = [
      k.crossEntropy(loss, rowLoss, dx, x, labels, rows, n),
      k.crossEntropy(only, rowLoss, 0, x, labels, rows, n),
    ];
    const [squares, dy] = [bench.room(1), bench.room(rows * n)];
    k.mse(squares, dy, x, dp, rows * n);
    k.softmaxGrad(dp, p, dp, rows, n);
    const wide = [p, causal, dx, dp, dy].map((at) => bench.read(at, rows * n));
    return [
      ...wide,
      ...[loss, only, squares].map((at) => bench.read(at, 1)),
      bench.read(rowLoss, rows),
      Uint32Array.from(codes),
    ];
  });

  agree('f32 products with transposes, scale and batches', 20, (bench, source, draw) => {
    const pick = (limit: number) => 1 + source.integer(limit);
    const [m, n, k, batch] = [pick(20), pick(20), pick(70), pick(3)];
    const [a, b] = [bench.words(draw(source, batch * m * k)), bench.words(draw(source, batch * k * n))];
    const [c, scratch] = [bench.room(batch * m * n), bench.room(gemmF32Scratch(k) / 4)];
    const [ta, tb, repeat] = [source.seed % 2, (source.seed >> 1) % 2, (source.seed >> 2) % 2];
    bench.kernels.gemmF32(c, a, b, m, n, k, ta, tb, 0.125, batch, m * k, repeat ? 0 : k * n, m * n, scratch);
    return [bench.read(c, batch * m * n)];
  });

  agree('attention and its gradient, heads as column blocks of one matrix', 12, (bench, source, draw) => {
    const [sequences, heads] = [1 + (source.seed % 2), 1 + (source.seed % 3)];
    const [tokens, width] = [1 + source.integer(40), 1 + source.integer(20)];
    const columns = heads * width;
    const rows = sequences * tokens;
    const wide = 3 * columns;
    const strides = { q: wide, k: wide, v: wide, o: columns, dq: wide, dk: wide, dv: wide };
    const shape = { sequences, heads, tokens, width, causal: source.seed % 3 !== 0, scale: 0.25, strides };
    const [qkv, grad] = [bench.words(draw(source, rows * wide)), bench.words(draw(source, rows * columns))];
    const [o, p, d] = [bench.room(rows * columns), bench.room(rows * heads * tokens), bench.room(rows * wide)];
    const [table, scratch] = [
      bench.words(new Uint32Array(attentionShape(shape))),
      bench.room(attentionScratch(tokens, width) / 4),
    ];
    const [k, v] = [qkv + 4 * columns, qkv + 8 * columns];
    bench.kernels.attention(o, p, qkv, k, v, table, scratch);
    bench.kernels.attentionGrad(d, d + 4 * columns, d + 8 * columns, grad, qkv, k, v, p, table, scratch);
    return [bench.read(o, rows * columns), bench.read(p, rows * heads * tokens), bench.read(d, rows * wide)];
  });

  agree('gather and scatter-add, refusing an index outside the table', 10, (bench, source, draw) => {
    const [tableRows, cols, count] = [1 + source.integer(30), sizeOf(source), 1 + source.integer(60)];
    const [table, dy] = [bench.words(draw(source, tableRows * cols)), bench.words(draw(source, count * cols))];
    const good = bench.words(source.indices(count, tableRows));
    const bad = bench.words([...source.indices(count, tableRows), tableRows]);
    const [y, dw] = [bench.room(count * cols), bench.room(tableRows * cols)];
    const codes = [
      bench.kernels.gather(y, table, good, count, tableRows, cols),
      bench.kernels.scatterAdd(dw, dy, good, count, tableRows, cols),
      bench.kernels.gather(y, table, bad, count + 1, tableRows, cols),
      bench.kernels.scatterAdd(dw, dy, bad, count + 1, tableRows, cols),
    ];
    assert.deepEqual(codes, [0, 0, 1, 1]);
    return [bench.read(y, count * cols), bench.read(dw, tableRows * cols)];
  });

  agree(
    'quantisation of either operand, stored either way, to nearest and stochastically',
    24,
    (bench, source, draw) => {
      const [lines, k] = [1 + source.integer(50), sizeOf(source)];
      const x = bench.words(draw(source, lines * k));
      const u = bench.room(lines * k);
      bench.kernels.uniform16(u, lines * k, source.seed, 7, 3, 1);
      const out: Uint32Array[] = [bench.read(u, lines * k)];
      for (const transposed of [0, 1]) {
        for (const random of [0, u]) {
          const [q, s] = [bench.room(lines * k), bench.room(lines)];
          bench.kernels.quantiseRows(q, s, x, lines, k, transposed, random);
          out.push(bench.read(s, lines), Uint32Array.from(bench.bytes(q, lines * k)));
          bench.kernels.quantiseCols(q, s, x, k, lines, transposed, random);
          out.push(bench.read(s, lines), Uint32Array.from(bench.bytes(q, lines * k)));
        }
      }
      return out;
    },
  );

  agree('the integer product of quantised operands', 24, (bench, source, draw) => {
    const [m, n, k] = [1 + source.integer(20), 1 + source.integer(20), sizeOf(source)];
    const [a, b] = [bench.words(draw(source, m * k)), bench.words(draw(source, k * n))];
    const [qa, qb, sa, sb] = [bench.room(m * k), bench.room(n * k), bench.room(m), bench.room(n)];
    const [c, scratch] = [bench.room(m * n), bench.room(igemmScratch(m, n, k) / 4)];
    bench.kernels.quantiseRows(qa, sa, a, m, k, 0, 0);
    bench.kernels.quantiseCols(qb, sb, b, k, n, 0, 0);
    bench.kernels.igemm(c, qa, sa, qb, sb, m, n, k, scratch);
    return [bench.read(c, m * n)];
  });

  agree('optimiser steps and the check for non-finite values', SIZES.length, (bench, source, draw) => {
    const n = sizeOf(source);
    const put = () => bench.words(draw(source, n));
    const [theta, m, v, g, other] = [put(), put(), put(), put(), put()];
    const k = bench.kernels;
    const found = [theta, m, g].map((at) => k.nonFinite(at, n));
    k.adamw(theta, m, v, g, n, 2 ** -10, 0.875, 0.96875, 2 ** -24, 0.125, 8, 32);
    k.sgd(other, m, g, n, 0.125, 0.75, 2 ** -9, source.seed % 2);
    k.sgd(g, 0, v, n, 0.125, 0, 0, source.seed % 2);
    return [...[theta, m, v, other, g].map((at) => bench.read(at, n)), Uint32Array.from(found)];
  });
});

test('the functions agree along the whole line of f32, every 65,521st pattern', () => {
  // 65,521 is a prime below 2^16, so that low and high bits both vary.
  const patterns = Uint32Array.from({ length: 65_552 }, (_, i) => i * 65_521);
  for (const op of Object.values(UNARY) as UnaryOp[]) {
    const [reference, wasm] = executors.map((kernels) => {
      const bench = new Bench(kernels);
      const [x, y] = [bench.words(patterns), bench.room(patterns.length)];
      kernels.unary(op, y, x, patterns.length);
      return bench.read(y, patterns.length);
    });
    assert.deepEqual(wasm, reference, `operator ${op}`);
  }
});

test('a line with a non-finite value has scale NaN, level 0 and NaN outputs', () => {
  for (const kernels of executors) {
    const bench = new Bench(kernels);
    const a = bench.floats([1, Number.POSITIVE_INFINITY, 2, 3]);
    const b = bench.floats([1, 2, 3, Number.NaN]);
    const [qa, qb, sa, sb] = [bench.room(4), bench.room(4), bench.room(2), bench.room(2)];
    const [c, scratch] = [bench.room(4), bench.room(igemmScratch(2, 2, 2) / 4)];
    kernels.quantiseRows(qa, sa, a, 2, 2, 0, 0);
    kernels.quantiseCols(qb, sb, b, 2, 2, 0, 0);
    kernels.igemm(c, qa, sa, qb, sb, 2, 2, 2, scratch);
    assert.deepEqual(Array.from(bench.bytes(qa, 4)), [0, 0, 42, 63]);
    const values = Array.from(kernels.f32.slice(c / 4, c / 4 + 4), Number.isNaN);
    assert.deepEqual(values, [true, true, false, true]);
  }
});

test('memory grows to what is asked, keeping what it holds', () => {
  for (const kernels of [referenceKernels(1 << 16), instantiateKernels(wasmBytes(), 1)]) {
    kernels.grow(1 << 17);
    kernels.f32[20_000] = 3;
    kernels.grow(1 << 22);
    assert.ok(kernels.buffer.byteLength >= 1 << 22);
    assert.equal(kernels.f32[20_000], 3);
    assert.throws(() => kernels.grow(2 ** 33), RangeError);
  }
});
