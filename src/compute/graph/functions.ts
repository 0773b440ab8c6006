/**
 * # Functions: the operators of io.mai.cpow, said in primitives of opset 17.
 *
 * Always true: stock ONNX Runtime runs a step graph through these bodies. Only the mined product is bit-exact there;
 * the planner ignores bodies and calls the canonical kernels. Source: docs/spec/engine.md, ENGINE section 12.
 */
import { must } from '../../base/assert.ts';
import { encodeValues } from './fold.ts';
import { float, int, ints } from './ir.ts';
import { type Attribute, type Attributes, CPOW_DOMAIN, DATA_TYPE, type OnnxFunction, type OnnxNode } from './onnx.ts';
import type { OpName } from './ops.ts';

/** The f32 value of a bit pattern of the specification. */
function bits(pattern: number): number {
  return must(new Float32Array(Uint32Array.of(pattern).buffer)[0], 'one word');
}

/** Writes one body: every call appends a node. */
class Body {
  readonly nodes: OnnxNode[] = [];

  /** A call of an ONNX operator; `out` names its output where it is one of the function's. */
  op(op: string, inputs: readonly string[], attributes: Attributes = {}, out?: string): string {
    const output = out ?? `t${this.nodes.length}`;
    this.nodes.push({ name: output, op, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  /** A call with several outputs. */
  ops(op: string, inputs: readonly string[], attributes: Attributes, outputs: readonly string[]): readonly string[] {
    this.nodes.push({ name: outputs[0] as string, op, domain: '', inputs, outputs, attributes });
    return outputs;
  }

  add = (a: string, b: string, out?: string): string => this.op('Add', [a, b], {}, out);
  sub = (a: string, b: string, out?: string): string => this.op('Sub', [a, b], {}, out);
  mul = (a: string, b: string, out?: string): string => this.op('Mul', [a, b], {}, out);
  div = (a: string, b: string, out?: string): string => this.op('Div', [a, b], {}, out);
  sqrt = (a: string, out?: string): string => this.op('Sqrt', [a], {}, out);

  number(value: number): string {
    return this.op('Constant', [], { value_float: float(value) });
  }

  list(...values: number[]): string {
    return this.op('Constant', [], { value_ints: ints(values) });
  }

  /** The function's float attribute of this name, as a scalar. */
  attribute(name: string): string {
    return this.op('Constant', [], { value_float: { type: 'reference', to: 'float', value: name } });
  }

  /** The function's list attribute of this name, as a vector. */
  listAttribute(name: string): string {
    return this.op('Constant', [], { value_ints: { type: 'reference', to: 'ints', value: name } });
  }

  cast(x: string, to: keyof typeof DATA_TYPE): string {
    return this.op('Cast', [x], { to: int(DATA_TYPE[to]) });
  }

  transpose(x: string, ...perm: number[]): string {
    return this.op('Transpose', [x], { perm: ints(perm) });
  }

  /** Reduction along one axis that stays with size 1. */
  over(op: 'ReduceMean' | 'ReduceMax', x: string, axis: number, out?: string): string {
    return this.op(op, [x], { axes: ints([axis]), keepdims: int(1) }, out);
  }

  sum(x: string, axes: readonly number[], keepdims: 0 | 1, out?: string): string {
    return this.op('ReduceSum', [x, this.list(...axes)], { keepdims: int(keepdims) }, out);
  }
}

type Writer = (f: Body) => void;

interface Signature {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly string[];
  readonly body: Writer;
}

/** One operand of a mined product as integers in [-63, 63], with its scale. `u` rounds stochastically. */
function quantise(f: Body, x: string, axis: number, u?: string): { q: string; s: string } {
  const largest = f.over('ReduceMax', f.op('Abs', [x]), axis);
  const a = f.op('Max', [largest, f.number(bits(0x2b8cbccc))]);
  const levels = f.number(63);
  const scaled = f.mul(x, f.div(levels, a));
  const rounded = u === undefined ? f.op('Round', [scaled]) : f.op('Floor', [f.add(scaled, u)]);
  return { q: f.op('Clip', [rounded, f.number(-63), levels]), s: f.div(a, levels) };
}

const gemm =
  (uA?: string, uB?: string): Writer =>
  (f) => {
    const a = quantise(f, 'a', -1, uA);
    const b = quantise(f, 'b', -2, uB);
    const c = f.mul(f.mul(f.op('MatMul', [a.q, b.q]), a.s), b.s);
    f.add(c, f.number(0), 'c');
  };

const slope = (body: (f: Body) => string): Signature => ({
  inputs: ['x', 'dy'],
  outputs: ['dx'],
  body: (f) => {
    f.mul('dy', body(f), 'dx');
  },
});

/** u, g and 1 of the tanh form of Gelu. */
function geluGate(f: Body): string {
  const cubic = f.mul(f.number(bits(0x3d372713)), f.mul('x', f.mul('x', 'x')));
  const u = f.mul(f.number(bits(0x3f4c422a)), f.add('x', cubic));
  return f.op('Sigmoid', [f.add(u, u)]);
}

/** 0.5 (1 + erf(t)) needs 1 + erf(t), t = x * 3f3504f3. */
function erfGate(f: Body): { t: string; gate: string } {
  const t = f.mul('x', f.number(bits(0x3f3504f3)));
  return { t, gate: f.add(f.number(1), f.op('Erf', [t])) };
}

/** q, k, v [sequences][heads][tokens][width] of qkv. */
function heads(f: Body): { q: string; k: string; v: string } {
  const five = f.op('Reshape', ['qkv', f.listAttribute('shape')]);
  const parts = f.ops('Split', [f.transpose(five, 2, 0, 3, 1, 4)], { axis: int(0) }, ['q1', 'k1', 'v1']);
  const [q, k, v] = parts.map((part) => f.op('Squeeze', [part, f.list(0)])) as [string, string, string];
  return { q, k, v };
}

const attention =
  (causal: boolean): Writer =>
  (f) => {
    const { q, k, v } = heads(f);
    const scores = f.mul(f.op('MatMul', [q, f.transpose(k, 0, 1, 3, 2)]), f.attribute('scale'));
    let masked = scores;
    if (causal) {
      const square = f.op('Shape', [scores], { start: int(-2) });
      const one: Attribute = {
        type: 'tensor',
        value: { name: '', type: 'f32', dims: [1], data: encodeValues('f32', [1]) },
      };
      const lower = f.op('Trilu', [f.op('ConstantOfShape', [square], { value: one })], { upper: int(0) });
      masked = f.op('Where', [f.cast(lower, 'bool'), scores, f.number(-1e9)]);
    }
    const p = f.op('Softmax', [masked], { axis: int(-1) }, 'p');
    const o = f.transpose(f.op('MatMul', [p, v]), 0, 2, 1, 3);
    f.op('Reshape', [o, f.list(0, 0, -1)], {}, 'o');
  };

const attentionGrad: Writer = (f) => {
  const { q, k, v } = heads(f);
  const scale = f.attribute('scale');
  const size = f.op('Slice', [f.listAttribute('shape'), f.list(3), f.list(5)]);
  const four = f.op('Concat', [f.list(0, 0), size], { axis: int(0) });
  const grad = f.transpose(f.op('Reshape', ['dy', four]), 0, 2, 1, 3);
  const dp = f.op('MatMul', [grad, f.transpose(v, 0, 1, 3, 2)]);
  const ds = f.mul('p', f.sub(dp, f.sum(f.mul('p', dp), [-1], 1)));
  const dq = f.mul(f.op('MatMul', [ds, k]), scale);
  const dk = f.mul(f.op('MatMul', [f.transpose(ds, 0, 1, 3, 2), q]), scale);
  const dv = f.op('MatMul', [f.transpose('p', 0, 1, 3, 2), grad]);
  const parts = [dq, dk, dv].map((part) => f.op('Unsqueeze', [part, f.list(2)]));
  // [sequences][heads][3][tokens][width] -> [sequences][tokens][3][heads][width] -> [..][3 heads width]
  const five = f.transpose(f.op('Concat', parts, { axis: int(2) }), 0, 3, 2, 1, 4);
  f.op('Reshape', [five, f.list(0, 0, -1)], {}, 'dqkv');
};

const layerNorm: Writer = (f) => {
  const mean = f.over('ReduceMean', 'x', -1, 'mean');
  const d = f.sub('x', mean);
  const variance = f.over('ReduceMean', f.mul(d, d), -1);
  const rstd = f.div(f.number(1), f.sqrt(f.add(variance, f.attribute('eps'))), 'rstd');
  f.add(f.mul(f.mul(d, rstd), 'gamma'), 'beta', 'y');
};

const layerNormGrad: Writer = (f) => {
  const h = f.mul(f.sub('x', 'mean'), 'rstd');
  const a = f.mul('dy', 'gamma');
  const s1 = f.over('ReduceMean', a, -1);
  const s2 = f.over('ReduceMean', f.mul(a, h), -1);
  f.mul('rstd', f.sub(f.sub(a, s1), f.mul(h, s2)), 'dx');
  f.sum(f.mul('dy', h), [0], 0, 'dgamma');
  f.sum('dy', [0], 0, 'dbeta');
};

const adamw: Writer = (f) => {
  const [b1, b2, one] = [f.attribute('b1'), f.attribute('b2'), f.number(1)];
  const m = f.add(f.mul(b1, 'm'), f.mul(f.sub(one, b1), 'g'), 'm1');
  const v = f.add(f.mul(b2, 'v'), f.mul(f.sub(one, b2), f.mul('g', 'g')), 'v1');
  const direction = f.div(f.mul(m, 'c1'), f.add(f.sqrt(f.mul(v, 'c2')), f.attribute('eps')));
  const step = f.mul('lr', f.add(direction, f.mul(f.attribute('wd'), 'theta')));
  f.sub('theta', step, 'theta1');
};

const sgd =
  (nesterov: boolean): Writer =>
  (f) => {
    const mu = f.attribute('mu');
    const d = f.add('g', f.mul(f.attribute('wd'), 'theta'));
    const m = f.add(f.mul(mu, 'm'), d, 'm1');
    f.sub('theta', f.mul('lr', nesterov ? f.add(d, f.mul(mu, m)) : m), 'theta1');
  };

const sgdPlain: Writer = (f) => {
  f.sub('theta', f.mul('lr', f.add('g', f.mul(f.attribute('wd'), 'theta'))), 'theta1');
};

const clipNorm: Writer = (f) => {
  const norm = f.sqrt(f.sum(f.mul('g', 'g'), [0], 0));
  const ratio = f.div(f.attribute('maxNorm'), f.add(norm, f.number(bits(0x358637bd))));
  f.mul('g', f.op('Min', [ratio, f.number(1)]), 'clipped');
};

const crossEntropy: Writer = (f) => {
  const rows = f.op('LogSoftmax', ['x'], { axis: int(-1) });
  const index = f.op('Unsqueeze', [f.cast('labels', 'i64'), f.list(1)]);
  const picked = f.op('Neg', [f.op('GatherElements', [rows, index], { axis: int(1) })]);
  f.op('ReduceMean', [picked], { keepdims: int(0) }, 'loss');
};

const crossEntropyGrad: Writer = (f) => {
  const [rows, classes] = f.ops('Split', [f.op('Shape', ['x'])], { axis: int(0) }, ['rows', 'classes']);
  const bounds: Attribute = { type: 'floats', value: [0, 1] };
  const offOn = f.op('Constant', [], { value_floats: bounds });
  const labels = f.cast('labels', 'i64');
  const hot = f.op('OneHot', [labels, classes as string, offOn], { axis: int(-1) });
  const w = f.div(f.number(1), f.cast(rows as string, 'f32'));
  f.mul(f.sub(f.op('Softmax', ['x'], { axis: int(-1) }), hot), w, 'dx');
};

const mseGrad: Writer = (f) => {
  const count = f.cast(f.op('Size', ['y']), 'f32');
  f.mul(f.sub('y', 't'), f.div(f.number(2), count), 'dy');
};

const scatterAdd: Writer = (f) => {
  const columns = f.op('Shape', ['dy'], { start: int(1) });
  const shape = f.op('Concat', [f.listAttribute('rows'), columns], { axis: int(0) });
  const index = f.op('Unsqueeze', [f.cast('index', 'i64'), f.list(1)]);
  const add: Attributes = { reduction: { type: 'string', value: 'add' } };
  f.op('ScatterND', [f.op('ConstantOfShape', [shape]), index, 'dy'], add, 'dw');
};

const one = (inputs: string[], output: string, body: Writer, attributes: string[] = []): Signature => ({
  inputs,
  outputs: [output],
  body,
  attributes,
});

const SIGNATURES: Partial<Record<OpName, Signature>> = {
  CPowGemm: one(['a', 'b'], 'c', gemm()),
  CPowGemmSRA: one(['a', 'b', 'u'], 'c', gemm('u')),
  CPowGemmSRB: one(['a', 'b', 'u'], 'c', gemm(undefined, 'u')),
  LayerNorm: {
    inputs: ['x', 'gamma', 'beta'],
    outputs: ['y', 'mean', 'rstd'],
    attributes: ['eps'],
    body: layerNorm,
  },
  LayerNormGrad: {
    inputs: ['dy', 'x', 'gamma', 'mean', 'rstd'],
    outputs: ['dx', 'dgamma', 'dbeta'],
    body: layerNormGrad,
  },
  Gelu: one(['x'], 'y', (f) => void f.mul('x', geluGate(f), 'y')),
  GeluErf: one(['x'], 'y', (f) => void f.mul(f.mul(f.number(0.5), 'x'), erfGate(f).gate, 'y')),
  Silu: one(['x'], 'y', (f) => void f.mul('x', f.op('Sigmoid', ['x']), 'y')),
  ReluGrad: {
    inputs: ['x', 'dy'],
    outputs: ['dx'],
    body: (f) => void f.op('Where', [f.op('Greater', ['x', f.number(0)]), 'dy', f.number(0)], {}, 'dx'),
  },
  TanhGrad: slope((f) => {
    const t = f.op('Tanh', ['x']);
    return f.sub(f.number(1), f.mul(t, t));
  }),
  SigmoidGrad: slope((f) => {
    const s = f.op('Sigmoid', ['x']);
    return f.mul(s, f.sub(f.number(1), s));
  }),
  ErfGrad: slope((f) => f.mul(f.number(bits(0x3f906ebb)), f.op('Exp', [f.op('Neg', [f.mul('x', 'x')])]))),
  GeluGrad: slope((f) => {
    const g = geluGate(f);
    const unit = f.number(1);
    const inner = f.add(unit, f.mul(f.number(bits(0x3e095d4f)), f.mul('x', 'x')));
    const w = f.mul(f.number(bits(0x3f4c422a)), inner);
    return f.add(g, f.mul(f.mul(f.mul('x', g), f.sub(unit, g)), f.add(w, w)));
  }),
  GeluErfGrad: slope((f) => {
    const { t, gate } = erfGate(f);
    const bell = f.mul(f.number(bits(0x3ecc422a)), f.op('Exp', [f.op('Neg', [f.mul(t, t)])]));
    return f.add(f.mul(f.number(0.5), gate), f.mul('x', bell));
  }),
  SiluGrad: slope((f) => {
    const s = f.op('Sigmoid', ['x']);
    const unit = f.number(1);
    return f.mul(s, f.add(unit, f.mul('x', f.sub(unit, s))));
  }),
  SoftmaxGrad: {
    inputs: ['p', 'dp'],
    outputs: ['dx'],
    body: (f) => void f.mul('p', f.sub('dp', f.sum(f.mul('p', 'dp'), [-1], 1)), 'dx'),
  },
  Attention: { inputs: ['qkv'], outputs: ['o', 'p'], attributes: ['shape', 'scale'], body: attention(false) },
  CausalAttention: { inputs: ['qkv'], outputs: ['o', 'p'], attributes: ['shape', 'scale'], body: attention(true) },
  AttentionGrad: one(['dy', 'qkv', 'p'], 'dqkv', attentionGrad, ['shape', 'scale']),
  // p is zero where the mask is, so the same body serves; the canonical kernel leaves those terms out.
  CausalAttentionGrad: one(['dy', 'qkv', 'p'], 'dqkv', attentionGrad, ['shape', 'scale']),
  CrossEntropy: one(['x', 'labels'], 'loss', crossEntropy),
  CrossEntropyGrad: one(['x', 'labels'], 'dx', crossEntropyGrad),
  Mse: one(['y', 't'], 'loss', (f) => {
    const d = f.sub('y', 't');
    f.op('ReduceMean', [f.mul(d, d)], { keepdims: int(0) }, 'loss');
  }),
  MseGrad: one(['y', 't'], 'dy', mseGrad),
  ScatterAdd: one(['dy', 'index'], 'dw', scatterAdd, ['rows']),
  ClipNorm: one(['g'], 'clipped', clipNorm, ['maxNorm']),
  AdamW: {
    inputs: ['theta', 'm', 'v', 'g', 'lr', 'c1', 'c2'],
    outputs: ['theta1', 'm1', 'v1'],
    attributes: ['b1', 'b2', 'eps', 'wd'],
    body: adamw,
  },
  Sgd: { inputs: ['theta', 'm', 'g', 'lr'], outputs: ['theta1', 'm1'], attributes: ['mu', 'wd'], body: sgd(false) },
  SgdNesterov: {
    inputs: ['theta', 'm', 'g', 'lr'],
    outputs: ['theta1', 'm1'],
    attributes: ['mu', 'wd'],
    body: sgd(true),
  },
  SgdPlain: one(['theta', 'g', 'lr'], 'theta1', sgdPlain, ['wd']),
};

/** The functions that a set of operators calls, in the order of the list above. */
export function functionsOf(used: ReadonlySet<OpName>): OnnxFunction[] {
  return (Object.keys(SIGNATURES) as OpName[])
    .filter((name) => used.has(name))
    .map((name) => {
      const { inputs, outputs, attributes = [], body } = must(SIGNATURES[name], 'a signature');
      const f = new Body();
      body(f);
      return { name, domain: CPOW_DOMAIN, inputs, outputs, attributes, nodes: f.nodes };
    });
}
