/** Runs the cases of engine.json on any kernels and says which outputs differ. */
import { createHash } from 'node:crypto';
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
import { type PhiloxKey, recordIndices } from '../../../src/compute/canonical/philox.ts';
import { ofBits, rne } from '../../../src/compute/canonical/scalar.ts';
import {
  biasCorrection,
  clipGradient,
  clipScratch,
  type Knot,
  learningRate,
} from '../../../src/compute/canonical/schedule.ts';
import { attentionShape } from '../../../src/compute/canonical/shapes.ts';
import { stateRoot } from '../../../src/compute/canonical/state-root.ts';
import { Bench, canonical } from './bench.ts';
import type { VectorCase } from './sources.ts';

/** Words of f32 values as a Uint32Array, integers as a plain array, a digest as hex. */
type Output = Uint32Array | readonly number[] | string;
type Outputs = Record<string, Output>;
type Handler = (run: CaseRun) => Outputs;

/** One case's fields, typed, and the bench that it runs on. */
class CaseRun {
  readonly bench: Bench;
  readonly kernels: Kernels;
  readonly source: VectorCase;
  readonly all: readonly VectorCase[];

  constructor(kernels: Kernels, source: VectorCase, all: readonly VectorCase[]) {
    this.bench = new Bench(kernels);
    this.kernels = kernels;
    this.source = source;
    this.all = all;
  }

  /** A number of the case itself. */
  size(name: string): number {
    return Number(this.source[name]);
  }
  /** An f32 of the case itself, given as bits. */
  value(name: string): number {
    return ofBits(Number.parseInt(String(this.source[name] ?? this.source.in[name]), 16));
  }
  key(): PhiloxKey {
    const [low, high] = parseWords(String(this.source.key ?? this.source.in.key));
    return [low as number, high as number];
  }
  words(name: string): Uint32Array {
    return parseWords(String(this.source.in[name]));
  }
  /** An input tensor's place. */
  put(name: string): number {
    return this.bench.words(this.words(name));
  }
  room(n: number): number {
    return this.bench.room(n);
  }
  read(at: number, n: number): Uint32Array {
    return this.bench.read(at, n);
  }
}

function parseWords(hex: string): Uint32Array {
  return Uint32Array.from({ length: hex.length / 8 }, (_, i) => Number.parseInt(hex.slice(8 * i, 8 * i + 8), 16));
}

function binary(op: BinaryOp): Handler {
  return (run) => {
    const n = run.words('a').length;
    const [a, b, y] = [run.put('a'), run.put('b'), run.room(n)];
    run.kernels.binary(op, y, a, b, n);
    return { y: run.read(y, n) };
  };
}

function unary(op: UnaryOp): Handler {
  return (run) => {
    const n = run.words('x').length;
    const [x, y] = [run.put('x'), run.room(n)];
    run.kernels.unary(op, y, x, n);
    return { y: run.read(y, n) };
  };
}

function gradient(op: GradientOp): Handler {
  return (run) => {
    const n = run.words('x').length;
    const [x, dy, dx] = [run.put('x'), run.put('dy'), run.room(n)];
    run.kernels.gradient(op, dx, x, dy, n);
    return { dx: run.read(dx, n) };
  };
}

const elementwise: Record<string, Handler> = {
  add: binary(BINARY.add),
  sub: binary(BINARY.sub),
  mul: binary(BINARY.mul),
  div: binary(BINARY.div),
  sqrt: unary(UNARY.sqrt),
  exp: unary(UNARY.exp),
  log: unary(UNARY.log),
  tanh: unary(UNARY.tanh),
  sigmoid: unary(UNARY.sigmoid),
  erf: unary(UNARY.erf),
  relu: unary(UNARY.relu),
  gelu: unary(UNARY.gelu),
  gelue: unary(UNARY.geluErf),
  silu: unary(UNARY.silu),
  reluGrad: gradient(GRADIENT.relu),
  geluGrad: gradient(GRADIENT.gelu),
  gelueGrad: gradient(GRADIENT.geluErf),
  siluGrad: gradient(GRADIENT.silu),
  tanhGrad: gradient(GRADIENT.tanh),
  sigmoidGrad: gradient(GRADIENT.sigmoid),
  erfGrad: gradient(GRADIENT.erf),
  expGrad: gradient(GRADIENT.exp),
  rne: (run) => ({ y: Array.from(run.words('x'), (bits) => rne(ofBits(bits))) }),
};

const rows: Record<string, Handler> = {
  SUM: (run) => {
    const n = run.size('n');
    const x = run.put('x');
    const y = run.bench.floats([run.kernels.sum(x, n)]);
    return { y: run.read(y, 1) };
  },
  columnSum: (run) => {
    const [m, n] = [run.size('rows'), run.size('cols')];
    const [x, y] = [run.put('x'), run.room(n)];
    run.kernels.columnSum(y, x, m, n);
    return { y: run.read(y, n) };
  },
  layerNorm: (run) => {
    const [m, n] = [run.size('rows'), run.size('n')];
    const [x, gamma, beta] = [run.put('x'), run.put('gamma'), run.put('beta')];
    const [y, mean, rstd] = [run.room(m * n), run.room(m), run.room(m)];
    run.kernels.layerNorm(y, mean, rstd, x, gamma, beta, m, n, run.value('eps'));
    return { y: run.read(y, m * n), mean: run.read(mean, m), rstd: run.read(rstd, m) };
  },
  layerNormGrad: (run) => {
    const [m, n] = [run.size('rows'), run.size('n')];
    const [dy, x, gamma, mean, rstd] = [
      ...[run.put('dy'), run.put('x'), run.put('gamma'), run.put('mean'), run.put('rstd')],
    ] as [number, number, number, number, number];
    const [dx, dgamma, dbeta] = [run.room(m * n), run.room(n), run.room(n)];
    run.kernels.layerNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, rstd, m, n);
    return { dx: run.read(dx, m * n), dgamma: run.read(dgamma, n), dbeta: run.read(dbeta, n) };
  },
  softmax: (run) => {
    const [m, n] = [run.size('rows'), run.size('n')];
    const [x, p] = [run.put('x'), run.room(m * n)];
    run.kernels.softmax(p, x, m, n, run.source.causal ? 1 : 0);
    return { p: run.read(p, m * n) };
  },
  softmaxGrad: (run) => {
    const [m, n] = [run.size('rows'), run.size('n')];
    const [p, dp, dx] = [run.put('p'), run.put('dp'), run.room(m * n)];
    run.kernels.softmaxGrad(dx, p, dp, m, n);
    return { dx: run.read(dx, m * n) };
  },
  crossEntropy: (run) => {
    const [m, n] = [run.size('rows'), run.size('classes')];
    const [x, label, loss, rowLoss, dx] = [run.put('x'), run.put('label'), run.room(1), run.room(m), run.room(m * n)];
    run.kernels.crossEntropy(loss, rowLoss, dx, x, label, m, n);
    return { loss: run.read(loss, 1), rowLoss: run.read(rowLoss, m), dx: run.read(dx, m * n) };
  },
  mse: (run) => {
    const n = run.words('y').length;
    const [y, t, loss, dy] = [run.put('y'), run.put('t'), run.room(1), run.room(n)];
    run.kernels.mse(loss, dy, y, t, n);
    return { loss: run.read(loss, 1), dy: run.read(dy, n) };
  },
};

function headShape(run: CaseRun): number {
  const width = run.size('D');
  const strides = { q: width, k: width, v: width, o: width, dq: width, dk: width, dv: width };
  const shape = { sequences: 1, heads: 1, tokens: run.size('T'), width, causal: run.source.causal === true };
  return run.bench.words(new Uint32Array(attentionShape({ ...shape, scale: run.value('scale'), strides })));
}

const products: Record<string, Handler> = {
  gemmF32: (run) => {
    const [m, k, n] = [run.size('m'), run.size('k'), run.size('n')];
    const [a, b, c, scratch] = [run.put('a'), run.put('b'), run.room(m * n), run.room(gemmF32Scratch(k) / 4)];
    run.kernels.gemmF32(c, a, b, m, n, k, 0, 0, 1, 1, 0, 0, 0, scratch);
    return { c: run.read(c, m * n) };
  },
  attention: (run) => {
    const [t, d] = [run.size('T'), run.size('D')];
    const [q, k, v, shape] = [run.put('q'), run.put('k'), run.put('v'), headShape(run)];
    const [o, p, scratch] = [run.room(t * d), run.room(t * t), run.room(attentionScratch(t, d) / 4)];
    run.kernels.attention(o, p, q, k, v, shape, scratch);
    return { o: run.read(o, t * d), p: run.read(p, t * t) };
  },
  attentionGrad: (run) => {
    const [t, d] = [run.size('T'), run.size('D')];
    const [grad, q, k, v, p] = [run.put('do'), run.put('q'), run.put('k'), run.put('v'), run.put('p')];
    const [dq, dk, dv, scratch] = [
      run.room(t * d),
      run.room(t * d),
      run.room(t * d),
      run.room(attentionScratch(t, d) / 4),
    ];
    run.kernels.attentionGrad(dq, dk, dv, grad, q, k, v, p, headShape(run), scratch);
    return { dq: run.read(dq, t * d), dk: run.read(dk, t * d), dv: run.read(dv, t * d) };
  },
  gather: (run) => {
    const [m, n, count] = [run.size('rows'), run.size('cols'), run.words('idx').length];
    const [w, idx, y] = [run.put('w'), run.put('idx'), run.room(count * n)];
    run.kernels.gather(y, w, idx, count, m, n);
    return { y: run.read(y, count * n) };
  },
  scatterAdd: (run) => {
    const [m, n, count] = [run.size('rows'), run.size('cols'), run.words('idx').length];
    const [dy, idx, dw] = [run.put('dy'), run.put('idx'), run.room(m * n)];
    run.kernels.scatterAdd(dw, dy, idx, count, m, n);
    return { dw: run.read(dw, m * n) };
  },
};

const UNIT = 2 ** -16;

const random: Record<string, Handler> = {
  philox: (run) => {
    const [c, key, y] = [run.words('counter'), run.key(), run.room(4)];
    const [c0, c1, c2, c3] = Array.from(c) as [number, number, number, number];
    run.kernels.philox(y, c0, c1, c2, c3, key[0], key[1]);
    return { y: Array.from(run.kernels.u32.subarray(y / 4, y / 4 + 4)) };
  },
  uniform16: (run) => {
    const n = Number(run.source.in.n);
    const u = run.room(n);
    run.kernels.uniform16(u, n, run.key()[0], run.key()[1], Number(run.source.in.node), Number(run.source.in.tag));
    return { h: Array.from(run.kernels.f32.subarray(u / 4, u / 4 + n), (value) => value / UNIT) };
  },
  recordIndices: (run) => ({
    index: Array.from(recordIndices(Number(run.source.in.records), Number(run.source.in.count), run.key())),
  }),
};

function quantise(stochastic: boolean): Handler {
  return (run) => {
    const [m, k] = [run.size('rows'), run.size('k')];
    const [x, s, q] = [run.put('x'), run.room(m), run.room(Math.ceil((m * k) / 4))];
    const u = stochastic ? run.bench.floats(Array.from(run.words('h'), (h) => h * UNIT)) : 0;
    run.kernels.quantiseRows(q, s, x, m, k, 0, u);
    return { s: run.read(s, m), q: Array.from(new Int8Array(run.bench.bytes(q, m * k).buffer)) };
  };
}

function minedGemm(stochastic: 'A' | 'B' | undefined): Handler {
  return (run) => {
    const [m, k, n] = [run.size('m'), run.size('k'), run.size('n')];
    const plain = run.all.find((c) => c.rule === 'minedGemm' && c.m === m && c.k === k && c.n === n) as VectorCase;
    const a = run.bench.words(parseWords(String(plain.in.a)));
    const b = run.bench.words(parseWords(String(plain.in.b)));
    const [sa, sb, c] = [run.room(m), run.room(n), run.room(m * n)];
    const [qa, qb, scratch] = [run.room((m * k) / 4), run.room((k * n) / 4), run.room(igemmScratch(m, n, k) / 4)];
    const u = run.room(Math.max(m, n) * k);
    const [size, purpose] = stochastic === 'A' ? [m * k, 1] : [k * n, 2];
    if (stochastic) run.kernels.uniform16(u, size, run.key()[0], run.key()[1], run.size('node'), purpose);
    run.kernels.quantiseRows(qa, sa, a, m, k, 0, stochastic === 'A' ? u : 0);
    run.kernels.quantiseCols(qb, sb, b, k, n, 0, stochastic === 'B' ? u : 0);
    run.kernels.igemm(c, qa, sa, qb, sb, m, n, k, scratch);
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    // The vectors digest B's levels as the GEMM receives them, [k][n]; the kernels hold line j = column j.
    const lines = run.bench.bytes(qb, n * k);
    const levelsB = Uint8Array.from({ length: k * n }, (_, e) => lines[(e % n) * k + Math.floor(e / n)] as number);
    return {
      ...{ c: run.read(c, m * n), sA: run.read(sa, m), sB: run.read(sb, n) },
      ...{ qA: digest(run.bench.bytes(qa, m * k)), qB: digest(levelsB) },
    };
  };
}

function bitsOf(value: number): Uint32Array {
  return new Uint32Array(Float32Array.of(value).buffer);
}

const optimisers: Record<string, Handler> = {
  biasCorrection: (run) => ({ c: bitsOf(biasCorrection(run.value('beta'), Number(run.source.in.t))) }),
  adamw: (run) => {
    const n = run.words('theta').length;
    const [theta, m, v, g] = [run.put('theta'), run.put('m'), run.put('v'), run.put('g')];
    const [lr, b1, b2, eps] = [run.value('lr'), run.value('beta1'), run.value('beta2'), run.value('eps')];
    const [wd, c1, c2] = [run.value('weightDecay'), run.value('c1'), run.value('c2')];
    run.kernels.adamw(theta, m, v, g, n, lr, b1, b2, eps, wd, c1, c2);
    return { theta: run.read(theta, n), m: run.read(m, n), v: run.read(v, n) };
  },
  sgd: (run) => {
    const n = run.words('theta').length;
    const [theta, m, g] = [run.put('theta'), run.put('m'), run.put('g')];
    const [lr, mu, wd] = [run.value('lr'), run.value('momentum'), run.value('weightDecay')];
    run.kernels.sgd(theta, m, g, n, lr, mu, wd, run.source.nesterov ? 1 : 0);
    return { theta: run.read(theta, n), m: run.read(m, n) };
  },
  clip: (run) => {
    const n = run.words('g').length;
    const [g, scratch] = [run.put('g'), run.room(clipScratch(n) / 4)];
    const { norm, factor } = clipGradient(run.kernels, { g, n, most: run.value('maxNorm'), scratch });
    return { norm: bitsOf(norm), scale: bitsOf(factor), first8: run.read(g, 8) };
  },
  learningRate: (run) => {
    const source = run.source.in.knots as readonly (readonly [number, string])[];
    const knots = source.map(([step, bits]): Knot => [step, ofBits(Number.parseInt(bits, 16))]);
    const steps = Object.keys(run.source.out).map((name) => [name, Number(name.slice('step'.length))] as const);
    return Object.fromEntries(steps.map(([name, step]) => [name, bitsOf(learningRate(knots, step))]));
  },
  stateRoot: (run) => {
    const parts = ['theta', 'm', 'v'].map((name) => new Uint8Array(run.words(name).buffer));
    return { root: Buffer.from(stateRoot(parts)).toString('hex') };
  },
};

const handlers: Readonly<Record<string, Handler>> = {
  ...elementwise,
  ...rows,
  ...products,
  ...random,
  ...{ quantise: quantise(false), quantiseSR: quantise(true) },
  ...{ minedGemm: minedGemm(undefined), minedGemmSRA: minedGemm('A'), minedGemmSRB: minedGemm('B') },
  ...optimisers,
};

/** The names of the outputs that differ from the case's; empty if the kernels are right. */
export function differences(kernels: Kernels, source: VectorCase, all: readonly VectorCase[]): string[] {
  const handler = handlers[source.rule];
  if (!handler) return [`no handler for rule ${source.rule}`];
  const got = handler(new CaseRun(kernels, source, all));
  return Object.keys(source.out).filter((name) => !same(got[name], source.out[name]));
}

function same(got: Output | undefined, wanted: unknown): boolean {
  if (got === undefined) return false;
  if (typeof got === 'string') return got === wanted;
  const words = typeof wanted === 'string' ? parseWords(wanted) : Uint32Array.from(wanted as number[]);
  if (got.length !== words.length) return false;
  // Any NaN equals any NaN; an integer equals itself alone.
  const meaning = got instanceof Uint32Array ? canonical : (word: number) => word >>> 0;
  return words.every((word, i) => meaning(word) === meaning(got[i] as number));
}
