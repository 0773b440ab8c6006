import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileForward } from '../../../src/compute/graph/compile.ts';
import { float, int, ints } from '../../../src/compute/graph/ir.ts';
import { ModelWriter } from '../../../src/compute/models/model-writer.ts';
import { geluErf } from './operator-models.ts';

type Build = (w: ModelWriter, x: string) => string;

/** The operators that a model lowers to, without moves. */
function lowered(build: Build, ...dims: number[]): string[] {
  const w = new ModelWriter('pattern');
  const x = w.op('Mul', [w.input('x', 'f32', dims), w.parameter('p', 1)]);
  const { inference } = compileForward(w.finish({ name: build(w, x), type: 'f32', dims: [] }));
  const moves = ['Reshape', 'Split', 'Transpose', 'Slice', 'Concat'];
  return inference.graph.nodes.map(({ op }) => op).filter((op) => !moves.includes(op));
}

const gelus: readonly (readonly [string, string, Build])[] = [
  ['x * 0.5 * (1 + tanh)', 'Gelu', (w, x) => w.geluTanh(x)],
  ['0.5 * (x * (1 + tanh)) with a cube by Pow', 'Gelu', (w, x) => geluByPow(w, x)],
  ['tanh of x * (c + d x^2)', 'Gelu', (w, x) => geluFactored(w, x)],
  ['x * (1 + erf(x / sqrt 2)) * 0.5', 'GeluErf', (w, x) => geluErf(w, x)],
  ['(x / 2) * (1 + erf(x * sqrt 0.5))', 'GeluErf', (w, x) => geluByHalves(w, x)],
  ['x * sigmoid(x)', 'Silu', (w, x) => w.op('Mul', [w.op('Sigmoid', [x]), x])],
];

function geluByPow(w: ModelWriter, x: string): string {
  const cube = w.op('Mul', [w.op('Pow', [x, w.number(3)]), w.number(0.044715)]);
  const u = w.op('Mul', [w.op('Add', [cube, x]), w.number(0.79788456)]);
  return w.op('Mul', [w.number(0.5), w.op('Mul', [x, w.op('Add', [w.number(1), w.op('Tanh', [u])])])]);
}

function geluFactored(w: ModelWriter, x: string): string {
  const bracket = w.op('Add', [w.number(1), w.op('Mul', [w.number(0.044715), w.op('Mul', [x, x])])]);
  const u = w.op('Mul', [w.op('Mul', [x, bracket]), w.number(0.7978846)]);
  return w.op('Mul', [w.op('Mul', [w.op('Add', [w.op('Tanh', [u]), w.number(1)]), x]), w.number(0.5)]);
}

function geluByHalves(w: ModelWriter, x: string): string {
  const gate = w.op('Add', [w.number(1), w.op('Erf', [w.op('Mul', [x, w.number(Math.SQRT1_2)])])]);
  return w.op('Mul', [w.op('Div', [x, w.number(2)]), gate]);
}

describe('an activation that an exporter spelled out is found again:', () => {
  for (const [form, op, build] of gelus) {
    test(`${form} is ${op}`, () => assert.deepEqual(lowered(build, 4), ['Mul', op]));
  }

  test('but another constant, another argument or another factor is none', () => {
    const others: Build[] = [
      (w, x) => w.op('Mul', [x, w.op('Sigmoid', [w.op('Mul', [w.number(1.702), x])])]),
      (w, x) => w.op('Mul', [geluErf(w, x), w.number(2)]),
      (w, x) => w.op('Mul', [w.op('Exp', [x]), w.op('Sigmoid', [x])]),
    ];
    // The second is twice a Gelu: the Gelu inside is found, the factor stays.
    const wanted = [
      ['Mul', 'Mul', 'Sigmoid', 'Mul'],
      ['Mul', 'GeluErf', 'Mul'],
      ['Mul', 'Exp', 'Sigmoid', 'Mul'],
    ];
    assert.deepEqual(
      others.map((build) => lowered(build, 4)),
      wanted,
    );
  });
});

const [B, T, H, D] = [2, 4, 2, 3];
const C = H * D;

interface Parts {
  readonly q: string;
  readonly k: string;
  readonly v: string;
}

const heads = (w: ModelWriter, x: string): string =>
  w.op('Transpose', [w.op('Reshape', [x, w.list(B, T, H, D)])], { perm: ints([0, 2, 1, 3]) });
const swap = (w: ModelWriter, x: string): string => w.op('Transpose', [x], { perm: ints([0, 1, 3, 2]) });

/** softmax(mask(q k^T * scale)) v, back in one row per token. */
function attend(w: ModelWriter, { q, k, v }: Parts, mask: (w: ModelWriter, scores: string) => string): string {
  const p = w.op('Softmax', [mask(w, w.op('MatMul', [q, swap(w, k)]))], { axis: int(-1) });
  const o = w.op('Transpose', [w.op('MatMul', [p, v])], { perm: ints([0, 2, 1, 3]) });
  return w.op('Reshape', [o, w.list(B, T, C)]);
}

function bySplit(w: ModelWriter, x: string): Parts {
  const parts = w.ops('Split', [x, w.list(C, C, C)], { axis: int(2) }, ['q', 'k', 'v']);
  const [q, k, v] = parts.map((part) => heads(w, part)) as [string, string, string];
  return { q, k, v };
}

function bySlices(w: ModelWriter, x: string): Parts {
  const part = (i: number): string => heads(w, w.op('Slice', [x, w.list(i * C), w.list((i + 1) * C), w.list(-1)]));
  return { q: part(0), k: part(1), v: part(2) };
}

/** One permutation of [B][T][3][H][D], then an index each: how timm and others write it. */
function byIndex(w: ModelWriter, x: string): Parts {
  const five = w.op('Reshape', [x, w.list(B, T, 3, H, D)]);
  const first = w.op('Transpose', [five], { perm: ints([2, 0, 3, 1, 4]) });
  const part = (i: number): string => w.op('Gather', [first, w.constant('i64', [], [i])], { axis: int(0) });
  return { q: part(0), k: part(1), v: part(2) };
}

const scaled = (w: ModelWriter, scores: string): string => w.op('Mul', [scores, w.number(0.5)]);
const lower = Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 1 : 0));
const masks: Readonly<Record<string, (w: ModelWriter, scores: string) => string>> = {
  'an additive mask of -1e9': (w, s) =>
    w.op('Add', [
      scaled(w, s),
      w.constant(
        'f32',
        [T, T],
        lower.map((on) => (on ? 0 : -1e9)),
      ),
    ]),
  'a mask of -inf': (w, s) =>
    w.op('Add', [
      w.op('Div', [s, w.number(2)]),
      w.constant(
        'f32',
        [1, 1, T, T],
        lower.map((on) => (on ? 0 : -Infinity)),
      ),
    ]),
  'a selected -1e9': (w, s) => w.op('Where', [w.constant('bool', [T, T], lower), scaled(w, s), w.number(-1e9)]),
  'a filled upper triangle': (w, s) =>
    w.op('Where', [
      w.constant(
        'bool',
        [T, T],
        lower.map((on) => 1 - on),
      ),
      w.number(-1e9),
      scaled(w, s),
    ]),
  'a triangle of ones, compared': (w, s) => {
    const ones = w.op('ConstantOfShape', [w.list(T, T)], { value: one() });
    const triangle = w.op('Trilu', [ones], { upper: int(0) });
    return w.op('Where', [w.op('Equal', [triangle, w.number(0)]), w.number(-1e9), scaled(w, s)]);
  },
};

function one() {
  const data = new Uint8Array(Float32Array.of(1).buffer);
  return { type: 'tensor', value: { name: '', type: 'f32', dims: [1], data } } as const;
}

describe('attention that an exporter spelled out is found again:', () => {
  const splits = { 'a split': bySplit, slices: bySlices, 'an index': byIndex };
  for (const [how, split] of Object.entries(splits)) {
    test(`q, k and v by ${how} of one matrix`, () => {
      assert.deepEqual(
        lowered((w, x) => attend(w, split(w, x), scaled), B, T, 3 * C),
        ['Mul', 'Attention'],
      );
    });
  }

  for (const [what, mask] of Object.entries(masks)) {
    test(`causal by ${what}`, () => {
      assert.deepEqual(
        lowered((w, x) => attend(w, bySplit(w, x), mask), B, T, 3 * C),
        ['Mul', 'CausalAttention'],
      );
    });
  }

  test('q, k and v of three matrices, joined first', () => {
    const ops = lowered(
      (w, x) => {
        const [q, k, v] = ['q', 'k', 'v'].map((name) => heads(w, w.op('MatMul', [x, w.parameter(name, C, C)])));
        return attend(w, { q, k, v } as Parts, scaled);
      },
      B,
      T,
      C,
    );
    assert.deepEqual(ops, ['Mul', 'CPowGemm', 'CPowGemm', 'CPowGemm', 'Attention']);
  });

  test('one head without a head axis', () => {
    const ops = lowered(
      (w, x) => {
        const [q, k, v] = w.ops('Split', [x, w.list(C, C, C)], { axis: int(2) }, ['q', 'k', 'v']) as [
          string,
          string,
          string,
        ];
        const scores = w.op('MatMul', [q, w.op('Transpose', [k], { perm: ints([0, 2, 1]) })]);
        return w.op('MatMul', [w.op('Softmax', [scaled(w, scores)], { axis: int(-1) }), v]);
      },
      B,
      T,
      3 * C,
    );
    assert.deepEqual(ops, ['Mul', 'Attention']);
  });

  test('but k and v exchanged, a mask with a hole or a learned scale run as primitives', () => {
    const hole = lower.with(T, 0).map((on) => (on ? 0 : -1e9));
    const others: Build[] = [
      (w, x) => {
        const { q, k, v } = bySplit(w, x);
        return attend(w, { q, k: v, v: k }, scaled);
      },
      (w, x) =>
        attend(w, bySplit(w, x), (inner, s) =>
          inner.op('Add', [scaled(inner, s), inner.constant('f32', [T, T], hole)]),
        ),
      (w, x) => attend(w, bySplit(w, x), (inner, s) => inner.op('Mul', [s, inner.parameter('scale', 1)])),
    ];
    for (const build of others) assert.ok(!lowered(build, B, T, 3 * C).some((op) => op.includes('Attention')));
  });
});

describe('a product by a parameter is mined:', () => {
  test('also of a turned parameter, and of three axes at once', () => {
    const turned: Build = (w, x) =>
      w.op('MatMul', [x, w.op('Transpose', [w.parameter('w', 5, 6)], { perm: ints([1, 0]) })]);
    assert.deepEqual(lowered(turned, 2, 3, 6), ['Mul', 'CPowGemm']);
    const gemm: Build = (w, x) =>
      w.op('Gemm', [x, w.parameter('w', 5, 6), w.parameter('b', 5)], { transB: int(1), beta: float(1) });
    assert.deepEqual(lowered(gemm, 3, 6), ['Mul', 'CPowGemm', 'Add']);
  });

  test('a product of activations is not', () => {
    assert.deepEqual(
      lowered((w, x) => w.op('MatMul', [x, x]), 4, 4),
      ['Mul', 'MatMul'],
    );
  });
});
