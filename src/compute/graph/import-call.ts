/**
 * # Import call: one ONNX node at hand, with its operands and attributes checked as they are read.
 *
 * Always true: a getter answers with the type that it names or throws GraphError; axes come out counted from the front.
 */
import { decodeValues } from './fold.ts';
import { ensure } from './graph-error.ts';
import type { GraphBuilder } from './ir.ts';
import { elements, type OnnxNode, type TensorValue } from './onnx.ts';

/** One ONNX node at hand: its operands by position, its attributes with their defaults. */
export class Call {
  readonly b: GraphBuilder;
  readonly node: OnnxNode;
  readonly opset: number;
  readonly #names: ReadonlyMap<string, string>;

  constructor(b: GraphBuilder, node: OnnxNode, opset: number, names: ReadonlyMap<string, string>) {
    this.b = b;
    this.node = node;
    this.opset = opset;
    this.#names = names;
  }

  get at(): string {
    return this.node.name;
  }

  /** The name proposed for output i. */
  wanted(i = 0): string {
    return this.node.outputs[i] || this.node.op.toLowerCase();
  }

  /** Operand i, or undefined where it is absent. */
  optional(i: number): string | undefined {
    const name = this.node.inputs[i];
    if (name === undefined || name === '') return undefined;
    const value = this.#names.get(name);
    ensure(value !== undefined, 'UndefinedName', name, this.at);
    return value;
  }

  operand(i: number): string {
    const value = this.optional(i);
    ensure(value !== undefined, 'ShapeMismatch', `${this.node.op} needs operand ${i}`, this.at);
    return value;
  }

  dims(i: number): readonly number[] {
    return this.b.dims(this.operand(i));
  }

  /** Refuses more than `most` operands. */
  arity(most: number): void {
    ensure(this.node.inputs.length <= most, 'ShapeMismatch', `${this.node.inputs.length} operands`, this.at);
  }

  int(key: string, fallback?: number): number {
    const attribute = this.node.attributes[key];
    if (attribute === undefined && fallback !== undefined) return fallback;
    const valid = attribute?.type === 'int' && Number.isSafeInteger(attribute.value);
    ensure(valid, 'BadAttribute', `${this.node.op} needs the integer ${key}`, this.at);
    return attribute.value;
  }

  float(key: string, fallback: number): number {
    const attribute = this.node.attributes[key];
    if (attribute === undefined) return Math.fround(fallback);
    ensure(attribute.type === 'float', 'BadAttribute', `${key} is not a float`, this.at);
    return attribute.value;
  }

  text(key: string, fallback: string): string {
    const attribute = this.node.attributes[key];
    if (attribute === undefined) return fallback;
    ensure(attribute.type === 'string', 'BadAttribute', `${key} is not a string`, this.at);
    return attribute.value;
  }

  /** A list attribute, or undefined where it is absent. */
  list(key: string): readonly number[] | undefined {
    const attribute = this.node.attributes[key];
    if (attribute === undefined) return undefined;
    ensure(attribute.type === 'ints', 'BadAttribute', `${key} is not a list of integers`, this.at);
    return attribute.value;
  }

  /** Operand i as a constant tensor, or undefined where it is absent. */
  constant(i: number): TensorValue | undefined {
    const name = this.optional(i);
    if (name === undefined) return undefined;
    const value = this.b.constantOf(name);
    ensure(value !== undefined, 'NotConstant', `operand ${i} of ${this.node.op}`, this.at);
    return value;
  }

  /** Operand i as a constant list of integers. */
  integers(i: number): number[] | undefined {
    const value = this.constant(i);
    if (value === undefined) return undefined;
    const valid =
      (value.type === 'i64' || value.type === 'i32') && value.dims.length <= 1 && elements(value.dims) <= 4_096;
    ensure(valid, 'BadTensor', `operand ${i} of ${this.node.op} is no list of integers`, this.at);
    return [...decodeValues(value)];
  }

  /** An axis counted from the front. */
  axis(raw: number, rank: number): number {
    ensure(raw >= -rank && raw < rank, 'BadAttribute', `axis ${raw} of rank ${rank}`, this.at);
    return raw < 0 ? raw + rank : raw;
  }

  axes(raw: readonly number[], rank: number): number[] {
    const axes = raw.map((axis) => this.axis(axis, rank)).sort((a, b) => a - b);
    ensure(new Set(axes).size === axes.length, 'BadAttribute', `axes ${raw.join(',')}`, this.at);
    return axes;
  }
}
