/** # Reference, normalise: layer normalisation, softmax and losses (section 6 of docs/spec/engine.md). */
import { type KernelCalls, STATUS } from '../kernels.ts';
import { exp, log, maximum } from '../scalar.ts';
import type { LinearMemory } from './memory.ts';
import { sumArray, sumOf } from './sums.ts';

const f = Math.fround;

/** p = Softmax over the first `range` values of a row, +0 elsewhere. p may be x. */
export function softmaxRow(p: Float32Array, x: Float32Array, range: number): void {
  const row = x.slice(0, range);
  const most = row.reduce(maximum, Number.NEGATIVE_INFINITY);
  const e = row.map((value) => exp(f(value - most)));
  const r = f(1 / sumArray(e));
  p.fill(0);
  for (let j = 0; j < range; j++) p[j] = (e[j] as number) * r;
}

/** dx = p * (dp - SUM(p * dp)) over the first `range` values of a row. dx may be dp. */
export function softmaxGradRow(dx: Float32Array, p: Float32Array, dp: Float32Array, range: number): void {
  const s = sumOf(range, (j) => f((p[j] as number) * (dp[j] as number)));
  for (let j = 0; j < range; j++) dx[j] = (p[j] as number) * f((dp[j] as number) - s);
}

type Calls = Pick<KernelCalls, 'layerNorm' | 'layerNormGrad' | 'softmax' | 'softmaxGrad' | 'crossEntropy' | 'mse'>;

export function normalise(memory: LinearMemory): Calls {
  return { ...layerNorms(memory), ...softmaxes(memory), ...losses(memory) };
}

function layerNorms(memory: LinearMemory): Pick<Calls, 'layerNorm' | 'layerNormGrad'> {
  return {
    layerNorm(y, mean, rstd, x, gamma, beta, rows, n, eps) {
      const scale = memory.floats(gamma, n);
      const shift = memory.floats(beta, n);
      for (let i = 0; i < rows; i++) {
        const from = memory.floats(x + 4 * i * n, n);
        const to = memory.floats(y + 4 * i * n, n);
        const mu = f(sumArray(from) / f(n));
        const variance = sumOf(n, (j) => {
          const d = f((from[j] as number) - mu);
          return f(d * d);
        });
        const r = f(1 / f(Math.sqrt(f(f(variance / f(n)) + eps))));
        memory.f32[mean / 4 + i] = mu;
        memory.f32[rstd / 4 + i] = r;
        for (let j = 0; j < n; j++) {
          to[j] = f(f(f((from[j] as number) - mu) * r) * (scale[j] as number)) + (shift[j] as number);
        }
      }
    },
    layerNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, rows, n) {
      const slope = memory.floats(dy, rows * n);
      const from = memory.floats(x, rows * n);
      const scale = memory.floats(gamma, n);
      const mu = memory.floats(mean, rows);
      const r = memory.floats(rstd, rows);
      const h = (i: number, j: number) => f(f((from[i * n + j] as number) - (mu[i] as number)) * (r[i] as number));
      const a = (i: number, j: number) => f((slope[i * n + j] as number) * (scale[j] as number));
      for (let j = 0; j < n; j++) {
        memory.f32[dgamma / 4 + j] = sumOf(rows, (i) => f((slope[i * n + j] as number) * h(i, j)));
        memory.f32[dbeta / 4 + j] = sumOf(rows, (i) => slope[i * n + j] as number);
      }
      const to = memory.floats(dx, rows * n);
      for (let i = 0; i < rows; i++) {
        const s1 = f(sumOf(n, (j) => a(i, j)) / f(n));
        const s2 = f(sumOf(n, (j) => f(a(i, j) * h(i, j))) / f(n));
        for (let j = 0; j < n; j++) to[i * n + j] = (r[i] as number) * f(f(a(i, j) - s1) - f(h(i, j) * s2));
      }
    },
  };
}

function softmaxes(memory: LinearMemory): Pick<Calls, 'softmax' | 'softmaxGrad'> {
  return {
    softmax(p, x, rows, n, causal) {
      for (let i = 0; i < rows; i++) {
        const at = 4 * i * n;
        softmaxRow(memory.floats(p + at, n), memory.floats(x + at, n), causal ? (i % n) + 1 : n);
      }
    },
    softmaxGrad(dx, p, dp, rows, n) {
      for (let i = 0; i < rows; i++) {
        const at = 4 * i * n;
        softmaxGradRow(memory.floats(dx + at, n), memory.floats(p + at, n), memory.floats(dp + at, n), n);
      }
    },
  };
}

function losses(memory: LinearMemory): Pick<Calls, 'crossEntropy' | 'mse'> {
  return {
    crossEntropy(loss, rowLoss, dx, x, labels, rows, classes) {
      const label = memory.words(labels, rows).slice();
      if (label.some((c) => c >= classes)) return STATUS.outOfRange;
      const w = f(1 / f(rows));
      for (let i = 0; i < rows; i++) {
        const row = memory.floats(x + 4 * i * classes, classes).slice();
        const most = row.reduce(maximum, Number.NEGATIVE_INFINITY);
        const e = row.map((value) => exp(f(value - most)));
        const total = sumArray(e);
        const c = label[i] as number;
        memory.f32[rowLoss / 4 + i] = log(total) - f((row[c] as number) - most);
        if (dx === 0) continue;
        const r = f(1 / total);
        const to = memory.floats(dx + 4 * i * classes, classes);
        for (let j = 0; j < classes; j++) {
          const p = f((e[j] as number) * r);
          to[j] = j === c ? f(p - 1) * w : p * w;
        }
      }
      memory.f32[loss / 4] = sumArray(memory.floats(rowLoss, rows)) / f(rows);
      return STATUS.ok;
    },
    mse(loss, dy, y, t, n) {
      const output = memory.floats(y, n);
      const target = memory.floats(t, n);
      const difference = (i: number) => f((output[i] as number) - (target[i] as number));
      memory.f32[loss / 4] = sumOf(n, (i) => f(difference(i) * difference(i))) / f(n);
      if (dy === 0) return;
      const factor = f(2 / f(n));
      const to = memory.floats(dy, n);
      for (let i = 0; i < n; i++) to[i] = difference(i) * factor;
    },
  };
}
