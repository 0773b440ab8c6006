/**
 * # ONNX: what of the ONNX schema this compiler knows, as values.
 *
 * Always true: a model of this type holds dense tensors with inline little-endian data, no subgraph and no type but
 * the four below. `onnx-read.ts` makes one from bytes or refuses; `onnx-write.ts` makes bytes, the same every time.
 * Source: onnx.proto3 of ONNX 1.16 (field numbers), IR version 8, opset 17 as written here.
 */
import type { Bytes } from '../../base/bytes.ts';

/** Element types, with their ONNX numbers. */
export const DATA_TYPE = { f32: 1, i32: 6, i64: 7, bool: 9 } as const;
export type ElementType = keyof typeof DATA_TYPE;

/** Bytes of one element in a file. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { f32: 4, i32: 4, i64: 8, bool: 1 };

/** The domain of the functions that a step graph calls. */
export const CPOW_DOMAIN = 'io.mai.cpow';
/** The opset that is written. */
export const OPSET = 17;
/** IR version 8 is the first with model-local functions. */
export const IR_VERSION = 8;

/** Bounds on a file, checked while it is read. */
export const MAX_MODEL_BYTES = 64 * 1024 * 1024;
export const MAX_NODES = 20_000;
export const MAX_NAME_BYTES = 512;
/** The most axes of a tensor: what the kernels' strided copies and sums reach. */
export const MAX_AXES = 6;
/** The most elements of a tensor. */
export const MAX_ELEMENTS = 2 ** 31;

/** A dense tensor: `data` is `product(dims)` little-endian elements; bool is one byte, 0 or 1. */
export interface TensorValue {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Bytes;
}

/** A node's attribute; `reference` names an attribute of the function in whose body the node stands. */
export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: TensorValue }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'reference'; readonly to: 'float' | 'int' | 'ints'; readonly value: string };

/** ONNX numbers of attribute types. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;

export type Attributes = Readonly<Record<string, Attribute>>;

/** A call of an operator. An empty input or output name stands for an optional one that is absent. */
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** A graph input or output. A dimension is a number, or the name of a symbolic one. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly (number | string)[];
}

/** A model-local function: attributes have no defaults. */
export interface OnnxFunction {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

/** A model. `metadata` keys are distinct. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly producer: string;
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly TensorValue[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly functions: readonly OnnxFunction[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The number of elements of `dims`. */
export function elements(dims: readonly number[]): number {
  let n = 1;
  for (const dim of dims) n *= dim;
  return n;
}
