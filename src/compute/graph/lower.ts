/**
 * # Lowering: a forward model said in canonical operators.
 *
 * Always true: a product whose right operand is a parameter (or a turned parameter) is a mined linear; recognised
 * patterns are functions; everything else runs as the primitives that it was written in. The order of nodes is the
 * model's, so the forward products are numbered in the order in which they stand.
 */
import { assert, must } from '../../base/assert.ts';
import { float, type Graph, type GraphBuilder, int, ints, type Node, tensorOf } from './ir.ts';
import { elements } from './onnx.ts';
import { type AttentionMatch, Patterns } from './patterns.ts';
import { producersOf } from './views.ts';

/** i7: linears are mined int7 products. f32: they are plain products, for comparison only. */
export type Precision = 'i7' | 'f32';

/** Builds the nodes of `forward` in `b`. `values` holds its inputs by name and receives every other value. */
export function lower(b: GraphBuilder, forward: Graph, values: Map<string, string>, options: LowerOptions): void {
  for (const { name, type, dims, data } of forward.constants.values())
    values.set(name, b.constant(name, type, dims, data));
  const patterns = new Patterns(forward);
  const weights = weightsOf(forward, options.parameters);
  const value = (name: string): string => must(values.get(name), `no value ${name}`);
  for (const node of forward.nodes) {
    const output = node.outputs[0] as string;
    const activation = patterns.activation(node);
    const attention = activation === undefined ? patterns.attention(node) : undefined;
    if (activation !== undefined) values.set(output, b.emit(activation.op, [value(activation.x)], {}, output));
    else if (attention !== undefined) {
      const o = attentionNode(b, attention, attention.qkv.map(value), output);
      values.set(output, b.reshape(o, tensorOf(forward, output).dims, output));
    } else if (options.precision === 'i7' && node.op === 'MatMul' && weights.has(node.inputs[1] as string)) {
      values.set(output, linear(b, value(node.inputs[0] as string), value(node.inputs[1] as string), output));
    } else copyNode(b, node, value, values);
  }
}

export interface LowerOptions {
  readonly precision: Precision;
  /** Names of the inputs of `forward` that are parameters. */
  readonly parameters: ReadonlySet<string>;
}

function copyNode(b: GraphBuilder, node: Node, value: (name: string) => string, values: Map<string, string>): void {
  const inputs = node.inputs.map(value);
  const [first = ''] = inputs;
  const [output = ''] = node.outputs;
  const list = (key: string): readonly number[] => {
    const attribute = node.attributes[key];
    assert(attribute?.type === 'ints', `${node.op} has no ${key}`);
    return attribute.value;
  };
  if (node.op === 'Reshape') values.set(output, b.reshape(first, list('shape'), output));
  else if (node.op === 'Transpose') values.set(output, b.transpose(first, list('perm'), output));
  else {
    const outputs = b.emitAll(node.op, inputs, node.attributes, node.outputs);
    for (const [i, name] of node.outputs.entries()) values.set(name, outputs[i] as string);
  }
}

/** The parameters that are matrices, and their transposes. */
function weightsOf(forward: Graph, parameters: ReadonlySet<string>): ReadonlySet<string> {
  const weights = new Set<string>();
  const producers = producersOf(forward);
  for (const { name, dims } of forward.tensors.values()) {
    const node = producers.get(name);
    const source = node?.op === 'Transpose' ? (node.inputs[0] as string) : name;
    if (dims.length === 2 && parameters.has(source)) weights.add(name);
  }
  return weights;
}

/** y[..., n] = x[..., k] w[k][n] over all rows at once. */
function linear(b: GraphBuilder, x: string, w: string, wanted: string): string {
  const dims = b.dims(x);
  const k = dims.at(-1) as number;
  const [, n = 0] = b.dims(w);
  const rows = b.reshape(x, [elements(dims) / k, k]);
  return b.reshape(b.emit('CPowGemm', [rows, w], {}, wanted), [...dims.slice(0, -1), n], wanted);
}

/** o[sequences][tokens][heads * width]. */
function attentionNode(b: GraphBuilder, match: AttentionMatch, bases: readonly string[], wanted: string): string {
  const { sequences, tokens, heads, width, scale, causal } = match;
  const block = [sequences, tokens, heads * width];
  const parts = bases.map((base) =>
    b.reshape(base, bases.length === 1 ? [sequences, tokens, 3 * heads * width] : block),
  );
  const qkv = parts.length === 1 ? (parts[0] as string) : b.emit('Concat', parts, { axis: int(2) });
  const attributes = { shape: ints([0, 0, 3, heads, width]), scale: float(scale) };
  return b.emit(causal ? 'CausalAttention' : 'Attention', [qkv], attributes, wanted);
}
