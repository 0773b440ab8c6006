/**
 * A transformer trained by hand on the kernels: the published two-step training, and the shapes of the benchmark.
 * Offsets are laid out once; a step is a straight list of kernel calls, as a compiled step graph would make it.
 */
import {
  attentionScratch,
  BINARY,
  GRADIENT,
  igemmScratch,
  type Kernels,
  RESERVED_BYTES,
  UNARY,
} from '../../../src/compute/canonical/kernels.ts';
import type { PhiloxKey } from '../../../src/compute/canonical/philox.ts';
import { biasCorrection } from '../../../src/compute/canonical/schedule.ts';
import { attentionShape } from '../../../src/compute/canonical/shapes.ts';

export interface Model {
  readonly vocabulary: number;
  readonly tokens: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly ffn: number;
  readonly batch: number;
  readonly eps: number;
  readonly attentionScale: number;
}

export interface AdamW {
  readonly lr: number;
  readonly b1: number;
  readonly b2: number;
  readonly eps: number;
  readonly wd: number;
}

interface Linear {
  readonly name: string;
  readonly weight: string;
  readonly bias: string | undefined;
  readonly input: number;
  readonly output: number;
}

/** A named parameter tensor. */
export type Param = readonly [name: string, size: number];

function paramsOf(model: Model): Param[] {
  const { vocabulary: V, width: C, tokens: T, ffn: F } = model;
  const layer = (l: number): Param[] => [
    [`l${l}.ln1g`, C],
    [`l${l}.ln1b`, C],
    [`l${l}.wqkv`, C * 3 * C],
    [`l${l}.bqkv`, 3 * C],
    [`l${l}.wo`, C * C],
    [`l${l}.bo`, C],
    [`l${l}.ln2g`, C],
    [`l${l}.ln2b`, C],
    [`l${l}.w1`, C * F],
    [`l${l}.b1`, F],
    [`l${l}.w2`, F * C],
    [`l${l}.b2`, C],
  ];
  const layers = Array.from({ length: model.layers }, (_, l) => layer(l)).flat();
  return [['wte', V * C], ['wpe', T * C], ...layers, ['lnfg', C], ['lnfb', C], ['head', C * V]];
}

/** Called after a named tensor of n values is complete. */
export type Watch = (name: string, at: number, n: number) => void;

export class Transformer {
  readonly kernels: Kernels;
  readonly model: Model;
  readonly params: readonly Param[];
  /** Values in theta, and in each of m, v and the gradient. */
  readonly size: number;
  readonly theta: number;
  readonly m: number;
  readonly v: number;
  readonly gradient: number;
  readonly tokens: number;
  readonly labels: number;
  readonly loss: number;
  readonly #places = new Map<string, number>();
  readonly #rows: number;
  #next = RESERVED_BYTES;

  constructor(kernels: Kernels, model: Model) {
    this.kernels = kernels;
    this.model = model;
    this.params = paramsOf(model);
    this.size = this.params.reduce((sum, [, n]) => sum + n, 0);
    this.#rows = model.batch * model.tokens;
    this.theta = this.#room(this.size);
    this.m = this.#room(this.size);
    this.v = this.#room(this.size);
    this.gradient = this.#room(this.size);
    this.tokens = this.#room(this.#rows);
    this.labels = this.#room(this.#rows);
    this.loss = this.#room(1 + this.#rows);
    let at = 0;
    for (const [name, n] of this.params) {
      this.#places.set(name, this.theta + at);
      this.#places.set(`grad ${name}`, this.gradient + at);
      at += 4 * n;
    }
    this.#layTensors();
    kernels.grow(this.#next);
    this.kernels.i32.set(this.#attentionTable(), this.#at('shape') / 4);
  }

  #room(n: number): number {
    const at = this.#next;
    this.#next = (at + 4 * n + 63) & ~63;
    return at;
  }

  #lay(name: string, n: number): void {
    this.#places.set(name, this.#room(n));
  }

  #at(name: string): number {
    const at = this.#places.get(name);
    if (at === undefined) throw new Error(`no tensor ${name}`);
    return at;
  }

  #layTensors(): void {
    const { width: C, ffn: F, vocabulary: V, tokens: T, heads: H, batch: B, layers } = this.model;
    const rows = this.#rows;
    const widest = Math.max(3 * C, F, V);
    for (let l = 0; l < layers; l++) {
      for (const name of ['in', 'ln1', 'attention', 'mid', 'ln2']) this.#lay(`l${l}.${name}`, rows * C);
      for (const name of ['mean1', 'rstd1', 'mean2', 'rstd2']) this.#lay(`l${l}.${name}`, rows);
      this.#lay(`l${l}.qkv`, rows * 3 * C);
      this.#lay(`l${l}.p`, B * H * T * T);
      this.#lay(`l${l}.u`, rows * F);
      this.#lay(`l${l}.gelu`, rows * F);
    }
    for (const name of ['out', 'lnf', 'dh', 'dx', 'do']) this.#lay(name, rows * C);
    for (const name of ['meanf', 'rstdf', 'shape']) this.#lay(name, Math.max(rows, 16));
    for (const name of ['logits', 'dlogits']) this.#lay(name, rows * V);
    this.#lay('dqkv', rows * 3 * C);
    this.#lay('du', rows * F);
    this.#lay('dgelu', rows * F);
    const inner = Math.max(rows, widest);
    for (const name of ['qa', 'qb']) this.#lay(name, (inner * widest) / 4);
    for (const name of ['sa', 'sb']) this.#lay(name, inner);
    this.#lay('random', inner * V);
    const scratch = Math.max(igemmScratch(inner, inner, inner), attentionScratch(T, C / H));
    this.#lay('scratch', scratch / 4);
  }

  #attentionTable(): Int32Array {
    const { batch, heads, tokens, width: C, attentionScale } = this.model;
    const strides = { q: 3 * C, k: 3 * C, v: 3 * C, o: C, dq: 3 * C, dk: 3 * C, dv: 3 * C };
    const shape = { sequences: batch, heads, tokens, width: C / heads, causal: true, scale: attentionScale, strides };
    return attentionShape(shape);
  }

  /** c[m][n] = a b, a [m][k] and b [k][n] in memory as they are, or as the transpose of what is in memory. */
  #gemm(c: number, a: Operand, b: Operand, m: number, n: number, k: number): void {
    const kernels = this.kernels;
    const [qa, sa, qb, sb] = [this.#at('qa'), this.#at('sa'), this.#at('qb'), this.#at('sb')];
    kernels.quantiseRows(qa, sa, a.at, m, k, a.transposed ? 1 : 0, this.#random(a, m * k, 1));
    kernels.quantiseCols(qb, sb, b.at, k, n, b.transposed ? 1 : 0, this.#random(b, k * n, 2));
    kernels.igemm(c, qa, sa, qb, sb, m, n, k, this.#at('scratch'));
  }

  #random(operand: Operand, n: number, purpose: number): number {
    if (!operand.stochastic) return 0;
    const { key, node } = operand.stochastic;
    this.kernels.uniform16(this.#at('random'), n, key[0], key[1], node, purpose);
    return this.#at('random');
  }

  #forward(linear: Linear, x: number, y: number): void {
    this.#gemm(y, { at: x }, { at: this.#at(linear.weight) }, this.#rows, linear.output, linear.input);
    if (linear.bias) {
      this.kernels.binaryRow(BINARY.add, y, y, this.#at(linear.bias), this.#rows, linear.output);
    }
  }

  /** dx and the gradients of weight and bias from dy; `draw`: both products are stochastic in dy. */
  #backward(linear: Linear, x: number, dy: number, dx: number, draw?: (pair: number) => Stochastic): void {
    const { input, output } = linear;
    const stochastic = (pair: number) => (draw ? { stochastic: draw(pair) } : {});
    if (linear.bias) this.kernels.columnSum(this.#at(`grad ${linear.bias}`), dy, this.#rows, output);
    const weight = { at: this.#at(linear.weight), transposed: true };
    this.#gemm(dx, { at: dy, ...stochastic(0) }, weight, this.#rows, input, output);
    const rows = this.#rows;
    this.#gemm(
      this.#at(`grad ${linear.weight}`),
      { at: x, transposed: true },
      { at: dy, ...stochastic(1) },
      input,
      output,
      rows,
    );
  }

  #linears(l: number): { qkv: Linear; o: Linear; up: Linear; down: Linear } {
    const { width: C, ffn: F } = this.model;
    const linear = (name: string, input: number, output: number): Linear => {
      return { name, weight: `l${l}.w${name}`, bias: `l${l}.b${name}`, input, output };
    };
    return { qkv: linear('qkv', C, 3 * C), o: linear('o', C, C), up: linear('1', C, F), down: linear('2', F, C) };
  }

  #head(): Linear {
    return { name: 'head', weight: 'head', bias: undefined, input: this.model.width, output: this.model.vocabulary };
  }

  #norm(y: number, x: number, of: readonly [gamma: string, beta: string, mean: string, rstd: string]): void {
    const [gamma, beta, mean, rstd] = of.map((name) => this.#at(name)) as [number, number, number, number];
    this.kernels.layerNorm(y, mean, rstd, x, gamma, beta, this.#rows, this.model.width, this.model.eps);
  }

  /** dh += dx of the layer normalisation of x, whose output has gradient dy (overwritten). */
  #normGrad(
    dh: number,
    dy: number,
    x: number,
    of: readonly [gamma: string, beta: string, mean: string, rstd: string],
  ): void {
    const [gamma, , mean, rstd] = of.map((name) => this.#at(name)) as [number, number, number, number];
    const [dgamma, dbeta] = [this.#at(`grad ${of[0]}`), this.#at(`grad ${of[1]}`)];
    const { width } = this.model;
    this.kernels.layerNormGrad(dy, dgamma, dbeta, dy, x, gamma, mean, rstd, this.#rows, width);
    this.kernels.binary(BINARY.add, dh, dh, dy, this.#rows * width);
  }

  #forwardAll(watch: Watch): void {
    const { width: C, ffn: F, tokens: T, batch: B, vocabulary: V, layers } = this.model;
    const [k, rows] = [this.kernels, this.#rows];
    const input = (l: number) => (l < layers ? this.#at(`l${l}.in`) : this.#at('out'));
    k.gather(input(0), this.#at('wte'), this.tokens, rows, V, C);
    k.binaryRow(BINARY.add, input(0), input(0), this.#at('wpe'), B, T * C);
    watch('embed', input(0), rows * C);
    for (let l = 0; l < layers; l++) {
      const at = (name: string) => this.#at(`l${l}.${name}`);
      const { qkv, o, up, down } = this.#linears(l);
      this.#norm(at('ln1'), at('in'), [`l${l}.ln1g`, `l${l}.ln1b`, `l${l}.mean1`, `l${l}.rstd1`]);
      this.#forward(qkv, at('ln1'), at('qkv'));
      const [shape, scratch] = [this.#at('shape'), this.#at('scratch')];
      k.attention(at('attention'), at('p'), at('qkv'), at('qkv') + 4 * C, at('qkv') + 8 * C, shape, scratch);
      this.#forward(o, at('attention'), at('mid'));
      k.binary(BINARY.add, at('mid'), at('in'), at('mid'), rows * C);
      this.#norm(at('ln2'), at('mid'), [`l${l}.ln2g`, `l${l}.ln2b`, `l${l}.mean2`, `l${l}.rstd2`]);
      this.#forward(up, at('ln2'), at('u'));
      k.unary(UNARY.gelu, at('gelu'), at('u'), rows * F);
      this.#forward(down, at('gelu'), input(l + 1));
      k.binary(BINARY.add, input(l + 1), at('mid'), input(l + 1), rows * C);
      watch(`l${l}.ln1`, at('ln1'), rows * C);
      watch(`l${l}.qkv`, at('qkv'), rows * 3 * C);
      watch(`l${l}.attention`, at('attention'), rows * C);
      watch(`l${l}.gelu`, at('gelu'), rows * F);
      watch(`l${l}.out`, input(l + 1), rows * C);
    }
    this.#norm(this.#at('lnf'), input(layers), ['lnfg', 'lnfb', 'meanf', 'rstdf']);
    this.#forward(this.#head(), this.#at('lnf'), this.#at('logits'));
    watch('logits', this.#at('logits'), rows * V);
  }

  #backwardAll(draw: (pair: number) => Stochastic): void {
    const { width: C, ffn: F, tokens: T, batch: B, vocabulary: V, layers } = this.model;
    const [k, rows] = [this.kernels, this.#rows];
    const [dh, dx] = [this.#at('dh'), this.#at('dx')];
    this.#backward(this.#head(), this.#at('lnf'), this.#at('dlogits'), dx, draw);
    // The last normalisation's input has no other consumer: its gradient starts from dx alone.
    const [gamma, mean, rstd] = [this.#at('lnfg'), this.#at('meanf'), this.#at('rstdf')];
    const [dgamma, dbeta] = [this.#at('grad lnfg'), this.#at('grad lnfb')];
    k.layerNormGrad(dh, dgamma, dbeta, dx, this.#at('out'), gamma, mean, rstd, rows, C);
    for (let l = layers - 1; l >= 0; l--) {
      const at = (name: string) => this.#at(`l${l}.${name}`);
      const { qkv, o, up, down } = this.#linears(l);
      this.#backward(down, at('gelu'), dh, this.#at('dgelu'));
      k.gradient(GRADIENT.gelu, this.#at('du'), at('u'), this.#at('dgelu'), rows * F);
      this.#backward(up, at('ln2'), this.#at('du'), dx);
      this.#normGrad(dh, dx, at('mid'), [`l${l}.ln2g`, `l${l}.ln2b`, `l${l}.mean2`, `l${l}.rstd2`]);
      this.#backward(o, at('attention'), dh, this.#at('do'));
      const [d, x, shape, scratch] = [this.#at('dqkv'), at('qkv'), this.#at('shape'), this.#at('scratch')];
      const [dk, dv] = [d + 4 * C, d + 8 * C];
      k.attentionGrad(d, dk, dv, this.#at('do'), x, x + 4 * C, x + 8 * C, at('p'), shape, scratch);
      this.#backward(qkv, at('ln1'), d, dx);
      this.#normGrad(dh, dx, at('in'), [`l${l}.ln1g`, `l${l}.ln1b`, `l${l}.mean1`, `l${l}.rstd1`]);
    }
    k.scatterAdd(this.#at('grad wte'), dh, this.tokens, rows, V, C);
    k.columnSum(this.#at('grad wpe'), dh, B, T * C);
  }

  /** One training step t >= 1 on `tokens` and `labels`; the loss is left at `loss`. */
  step(t: number, key: PhiloxKey, optimiser: AdamW, watch: Watch = () => undefined): void {
    const { vocabulary: V, layers } = this.model;
    const [k, rows, logits, dlogits] = [this.kernels, this.#rows, this.#at('logits'), this.#at('dlogits')];
    this.#forwardAll(watch);
    k.crossEntropy(this.loss, this.loss + 4, dlogits, logits, this.labels, rows, V);
    watch('dlogits', dlogits, rows * V);
    const firstBackward = 4 * layers + 1;
    this.#backwardAll((pair) => ({ key, node: firstBackward + pair }));
    for (const [name, n] of this.params) watch(`grad ${name}`, this.#at(`grad ${name}`), n);
    const { lr, b1, b2, eps, wd } = optimiser;
    const [c1, c2] = [biasCorrection(b1, t), biasCorrection(b2, t)];
    k.adamw(this.theta, this.m, this.v, this.gradient, this.size, lr, b1, b2, eps, wd, c1, c2);
  }

  /** The parts of the state: theta, m, v as bytes. */
  state(): Uint8Array[] {
    return [this.theta, this.m, this.v].map((at) => this.kernels.u8.subarray(at, at + 4 * this.size));
  }
}

interface Stochastic {
  readonly key: PhiloxKey;
  readonly node: number;
}

interface Operand {
  readonly at: number;
  readonly transposed?: boolean;
  readonly stochastic?: Stochastic;
}
