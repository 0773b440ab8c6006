/**
 * Times the canonical kernels on the shapes of the development job (d = 256, 2 layers, ffn 1024, batch 8 x 64), and a
 * whole training step. Prints milliseconds, best of several; asserts nothing. `node test/bench/kernels.ts [file.wasm]`
 */
import { readFileSync } from 'node:fs';
import {
  attentionScratch,
  BINARY,
  GRADIENT,
  gemmF32Scratch,
  igemmScratch,
  RESERVED_BYTES,
  UNARY,
} from '../../src/compute/canonical/kernels.ts';
import { ofBits } from '../../src/compute/canonical/scalar.ts';
import { attentionShape } from '../../src/compute/canonical/shapes.ts';
import { instantiateKernels } from '../../src/compute/canonical/wasm.ts';
import { wasmBytes } from '../compute/kernels/sources.ts';
import { Transformer } from '../compute/kernels/transformer.ts';

const bytes = process.argv[2] ? readFileSync(process.argv[2]) : wasmBytes();
const k = instantiateKernels(bytes, 16);
k.grow(1 << 28);
let next = RESERVED_BYTES;
const room = (n: number): number => {
  const at = next;
  next = (next + 4 * n + 63) & ~63;
  return at;
};
const fill = (n: number): number => {
  const at = room(n);
  for (let i = 0; i < n; i++) k.f32[at / 4 + i] = Math.fround(Math.random() - 0.5);
  return at;
};

/** Best of `rounds` calls in milliseconds, after a warm-up in which the engine may replace its first code. */
function best(run: () => void, rounds = 60): number {
  const warm = performance.now() + 200;
  while (performance.now() < warm) run();
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < rounds; i++) {
    const from = performance.now();
    run();
    least = Math.min(least, performance.now() - from);
  }
  return least;
}

function report(name: string, run: () => void, macs = 0): void {
  const ms = best(run);
  const rate = macs ? `  ${(macs / ms / 1e6).toFixed(1)} GMAC/s` : '';
  console.log(`${name.padEnd(34)} ${ms.toFixed(3).padStart(8)} ms${rate}`);
}

const [rows, C, F, V, T, H, B] = [512, 256, 1024, 256, 64, 4, 8];
const [x, y, z] = [fill(rows * F), fill(rows * F), fill(rows * F)];
const [gamma, beta, mean, rstd] = [fill(F), fill(F), fill(rows), fill(rows)];
const [q, s, u, scratch] = [room(rows * F), room(F), fill(rows * F), room(4_000_000)];
const labels = room(rows);

report('add 512x1024', () => k.binary(BINARY.add, z, x, y, rows * F));
report('add row 512x1024', () => k.binaryRow(BINARY.add, z, x, gamma, rows, F));
for (const op of ['exp', 'log', 'tanh', 'sigmoid', 'erf', 'relu', 'gelu', 'geluErf', 'silu', 'sqrt'] as const) {
  report(`${op} 512x1024`, () => k.unary(UNARY[op], z, x, rows * F));
}
report('gelu gradient 512x1024', () => k.gradient(GRADIENT.gelu, z, x, y, rows * F));
report('row sum 512x256', () => k.rowSum(z, x, rows, C));
report('column sum 512x1024', () => k.columnSum(z, x, rows, F));
report('layerNorm 512x256', () => k.layerNorm(z, mean, rstd, x, gamma, beta, rows, C, 1e-5));
report('layerNormGrad 512x256', () => k.layerNormGrad(z, s, q, y, x, gamma, mean, rstd, rows, C));
report('softmax 512x256', () => k.softmax(z, x, rows, C, 0));
report('softmaxGrad 512x256', () => k.softmaxGrad(z, x, y, rows, C));
report('crossEntropy 512x256', () => k.crossEntropy(s, mean, z, x, labels, rows, V));
report('gemmF32 512x256x256', () => k.gemmF32(z, x, y, rows, C, C, 0, 0, 1, 1, 0, 0, 0, scratch), rows * C * C);
report(
  'gemmF32 batch 32 x 64x64x64',
  () => {
    k.gemmF32(z, x, y, 64, 64, 64, 0, 1, 1, 32, 4096, 4096, 4096, scratch);
  },
  32 * 64 ** 3,
);
const strides = { q: 3 * C, k: 3 * C, v: 3 * C, o: C, dq: 3 * C, dk: 3 * C, dv: 3 * C };
const shape = room(16);
const head = { sequences: B, heads: H, tokens: T, width: C / H, causal: true, scale: 0.125, strides };
k.i32.set(attentionShape(head), shape / 4);
const [o, p] = [room(rows * C), room(B * H * T * T)];
report('attention 8x4 heads 64x64 causal', () => k.attention(o, p, x, x + 4 * C, x + 8 * C, shape, scratch));
report('attentionGrad 8x4 heads 64x64', () => {
  k.attentionGrad(z, z + 4 * C, z + 8 * C, y, x, x + 4 * C, x + 8 * C, p, shape, scratch);
});
report('uniform16 512x256', () => k.uniform16(u, rows * V, 1, 2, 3, 1));
report('quantise rows 512x1024', () => k.quantiseRows(q, s, x, rows, F, 0, 0));
report('quantise rows 512x1024 stochastic', () => k.quantiseRows(q, s, x, rows, F, 0, u));
report('quantise columns 512x1024', () => k.quantiseCols(q, s, x, rows, F, 0, 0));
report('quantise columns stochastic', () => k.quantiseCols(q, s, x, rows, F, 0, u));
const [qa, qb, sa, sb] = [room(F * F), room(F * F), fill(F), fill(F)];
k.quantiseRows(qa, sa, x, rows, F, 0, 0);
k.quantiseRows(qb, sb, y, rows, F, 0, 0);
for (const [m, n, inner] of [
  [512, 256, 256],
  [512, 768, 256],
  [512, 1024, 256],
  [512, 256, 1024],
  [256, 1024, 512],
] as const) {
  report(`igemm ${m}x${n}x${inner}`, () => k.igemm(z, qa, sa, qb, sb, m, n, inner, scratch), m * n * inner);
}
const n = 1_710_592;
const [theta, m1, v1, g] = [fill(n), room(n), room(n), fill(n)];
report('adamw 1.7M', () => k.adamw(theta, m1, v1, g, n, 1e-3, 0.875, 0.96875, 1e-8, 0, 2, 2));
report('nonFinite 1.7M', () => void k.nonFinite(theta, n));
console.log(
  `scratch: gemmF32 ${gemmF32Scratch(C)}, igemm ${igemmScratch(512, 1024, 256)}, attention ${attentionScratch(T, 64)}`,
);

const net = new Transformer(instantiateKernels(bytes, 16), {
  ...{ vocabulary: V, tokens: T, width: C, layers: 2, heads: H, ffn: F, batch: B },
  ...{ eps: ofBits(0x3727c5ac), attentionScale: 0.125 },
});
for (let i = 0; i < net.size; i++) net.kernels.f32[net.theta / 4 + i] = Math.fround(0.07 * (Math.random() - 0.5));
const optimiser = {
  lr: ofBits(0x3a83126f),
  b1: ofBits(0x3f666666),
  b2: ofBits(0x3f733333),
  eps: ofBits(0x322bcc77),
  wd: 0,
};
let t = 0;
console.log(`step of ${net.size} parameters: ${best(() => net.step(++t, [t, 7], optimiser), 12).toFixed(1)} ms`);
