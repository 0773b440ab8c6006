/**
 * # Char transformer: a decoder over bytes, in the layout of GPT-2.
 *
 * Always true: one fused matrix for q, k and v, learned positions, layer norms before each block and after the last,
 * Gelu in its tanh form, an untied head. The dev job's model has 1,727,744 parameters.
 */
import type { Bytes } from '../../base/bytes.ts';
import { float, int, ints } from '../graph/ir.ts';
import type { OnnxModel } from '../graph/onnx.ts';
import { ModelWriter } from './model-writer.ts';

export interface CharTransformer {
  /** Classes of a token. */
  readonly V: number;
  /** Tokens of a record. */
  readonly T: number;
  /** Width; a multiple of `heads`. */
  readonly C: number;
  /** Layers. */
  readonly L: number;
  readonly heads: number;
  readonly ffn: number;
  /** Records of a batch. */
  readonly B: number;
  /** Whether the head has a bias of V elements. Default true. */
  readonly headBias?: boolean;
}

/** The model of the dev and local jobs. */
export const DEV_TRANSFORMER: CharTransformer = { V: 256, T: 64, C: 256, L: 2, heads: 4, ffn: 1024, B: 8 };

const EPSILON = 1e-5;

/** The forward model: `tokens` int64 [B][T] -> `logits` [B][T][V]. `theta`: its parameters, else zeros. */
export function charTransformer(config: CharTransformer, theta?: Bytes): OnnxModel {
  const { V, T, C, L, B } = config;
  const w = new ModelWriter('char-transformer', theta);
  const tokens = w.input('tokens', 'i64', [B, T]);
  const table = w.parameter('wte', V, C);
  const positions = w.parameter('wpe', T, C);
  let h = w.op('Add', [w.op('Gather', [table, tokens], { axis: int(0) }), positions], {}, 'embed');
  for (let layer = 0; layer < L; layer++) h = block(w, config, h, `l${layer}`);
  const x = norm(w, h, 'lnfg', 'lnfb', C);
  const head = w.parameter('head', C, V);
  const logits = w.op('MatMul', [x, head], {}, config.headBias === false ? 'logits' : 'scores');
  if (config.headBias !== false) w.op('Add', [logits, w.parameter('headb', V)], {}, 'logits');
  return w.finish({ name: 'logits', type: 'f32', dims: [B, T, V] });
}

function norm(w: ModelWriter, x: string, gain: string, bias: string, C: number): string {
  const inputs = [x, w.parameter(gain, C), w.parameter(bias, C)];
  return w.op('LayerNormalization', inputs, { axis: int(-1), epsilon: float(EPSILON) });
}

function block(w: ModelWriter, config: CharTransformer, input: string, layer: string): string {
  const { C, ffn } = config;
  const x = norm(w, input, `${layer}.ln1g`, `${layer}.ln1b`, C);
  const qkv = w.linear(x, w.parameter(`${layer}.wqkv`, C, 3 * C), w.parameter(`${layer}.bqkv`, 3 * C));
  const o = attention(w, config, qkv);
  const mixed = w.linear(o, w.parameter(`${layer}.wo`, C, C), w.parameter(`${layer}.bo`, C));
  const h = w.op('Add', [input, mixed]);
  const y = norm(w, h, `${layer}.ln2g`, `${layer}.ln2b`, C);
  const u = w.linear(y, w.parameter(`${layer}.w1`, C, ffn), w.parameter(`${layer}.b1`, ffn));
  const out = w.linear(w.geluTanh(u), w.parameter(`${layer}.w2`, ffn, C), w.parameter(`${layer}.b2`, C));
  return w.op('Add', [h, out], {}, `${layer}.out`);
}

/** Causal attention in primitives: head k of q, k and v is columns [k D, (k + 1) D) of its third of qkv. */
function attention(w: ModelWriter, { B, T, C, heads }: CharTransformer, qkv: string): string {
  const D = C / heads;
  const stem = qkv;
  const parts = w.ops('Split', [qkv, w.list(C, C, C)], { axis: int(2) }, [`${stem}.q`, `${stem}.k`, `${stem}.v`]);
  const [q, k, v] = parts.map((part) => w.op('Reshape', [part, w.list(B, T, heads, D)])) as [string, string, string];
  const swap = ints([0, 2, 1, 3]);
  const scores = w.op('MatMul', [
    w.op('Transpose', [q], { perm: swap }),
    w.op('Transpose', [k], { perm: ints([0, 2, 3, 1]) }),
  ]);
  const scaled = w.op('Mul', [scores, w.number(1 / Math.sqrt(D))]);
  const lower = Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 1 : 0));
  const masked = w.op('Where', [w.constant('bool', [T, T], lower), scaled, w.number(-1e9)]);
  const weights = w.op('Softmax', [masked], { axis: int(-1) });
  const o = w.op('MatMul', [weights, w.op('Transpose', [v], { perm: swap })]);
  return w.op('Reshape', [w.op('Transpose', [o], { perm: swap }), w.list(B, T, C)]);
}
