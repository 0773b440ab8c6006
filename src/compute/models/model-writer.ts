/**
 * # Model writer: forward models written once, in TypeScript, as the ONNX file that anybody could have exported.
 *
 * Always true: parameters are initialisers in the order in which they are declared, constants are Constant nodes, and
 * only operators of opset 17 appear: the compiler gets no hint that it would not get from a stranger's file.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { encodeValues } from '../graph/fold.ts';
import { float, ints } from '../graph/ir.ts';
import {
  type Attributes,
  type ElementType,
  elements,
  IR_VERSION,
  type OnnxModel,
  type OnnxNode,
  OPSET,
  type TensorValue,
  type ValueInfo,
} from '../graph/onnx.ts';

/** Builds one model. `theta` holds the parameters' values in their order; without it they are zero. */
export class ModelWriter {
  readonly #name: string;
  readonly #theta: Bytes | undefined;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: TensorValue[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #numbers = new Map<number, string>();
  #used = 0;

  constructor(name: string, theta?: Bytes) {
    this.#name = name;
    this.#theta = theta;
  }

  input(name: string, type: ElementType, dims: readonly number[]): string {
    this.#inputs.push({ name, type, dims });
    return name;
  }

  parameter(name: string, ...dims: number[]): string {
    const size = 4 * elements(dims);
    const data = this.#theta?.subarray(this.#used, this.#used + size) ?? new Uint8Array(size);
    assert(data.length === size, `theta ends before parameter ${name}`);
    this.#used += size;
    this.#initializers.push({ name, type: 'f32', dims, data });
    return name;
  }

  /** A call of an ONNX operator with one output. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    output = `${op}_${this.#nodes.length}`,
  ): string {
    return this.ops(op, inputs, attributes, [output])[0] as string;
  }

  /** A call with several outputs. */
  ops(op: string, inputs: readonly string[], attributes: Attributes, outputs: readonly string[]): readonly string[] {
    this.#nodes.push({ name: outputs[0] as string, op, domain: '', inputs, outputs, attributes });
    return outputs;
  }

  number(value: number): string {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    const name = this.op('Constant', [], { value_float: float(value) });
    this.#numbers.set(value, name);
    return name;
  }

  list(...values: number[]): string {
    return this.op('Constant', [], { value_ints: ints(values) });
  }

  /** A constant tensor, as a Constant node. */
  constant(type: ElementType, dims: readonly number[], values: readonly number[]): string {
    const data = encodeValues(type, values);
    return this.op('Constant', [], { value: { type: 'tensor', value: { name: '', type, dims, data } } });
  }

  /** x[..., k] w[k][n] + b[n]. */
  linear(x: string, w: string, b?: string): string {
    const y = this.op('MatMul', [x, w]);
    return b === undefined ? y : this.op('Add', [y, b]);
  }

  /** The tanh form of Gelu, spelled out as exporters do. */
  geluTanh(x: string): string {
    const cube = this.op('Mul', [x, this.op('Mul', [x, x])]);
    const inner = this.op('Add', [x, this.op('Mul', [this.number(0.044715), cube])]);
    const gate = this.op('Tanh', [this.op('Mul', [this.number(0.7978845608), inner])]);
    return this.op('Mul', [this.op('Mul', [x, this.number(0.5)]), this.op('Add', [gate, this.number(1)])]);
  }

  /** The model whose outputs are these values. */
  finish(...outputs: readonly ValueInfo[]): OnnxModel {
    assert(this.#theta === undefined || this.#theta.length === this.#used, 'theta holds exactly the parameters');
    return {
      irVersion: IR_VERSION,
      opsets: [{ domain: '', version: OPSET }],
      producer: 'maitoken',
      name: this.#name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs,
      functions: [],
      metadata: {},
    };
  }
}
