/**
 * # Fold: what depends on constants alone is computed while compiling.
 *
 * Always true: only exact results are folded: moved elements, comparisons, integers of at most 53 bits, and single
 * IEEE operations of section 1. So folding never changes a bit, and what it leaves alone runs as a node.
 */
import { must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { type Attributes, ELEMENT_BYTES, type ElementType, elements, type TensorValue } from './onnx.ts';
import type { OpName, Result } from './ops.ts';

/** Larger constants than 4 Mi elements are left to run: compiling stays within tens of megabytes. */
const MAX_FOLDED = 4_194_304;

type Values = Float64Array;

/** Little-endian data of each output, or undefined where the call must run. Operands and attributes are checked. */
export function fold(
  op: OpName,
  operands: readonly (TensorValue | undefined)[],
  attributes: Attributes,
  results: readonly Result[],
): readonly Bytes[] | undefined {
  const x = operands.map((operand) => must(operand, 'folding needs constants'));
  const result = results[0];
  if (result === undefined || results.length !== 1 || elements(result.dims) > MAX_FOLDED) return undefined;
  if (x.some((operand) => elements(operand.dims) > MAX_FOLDED)) return undefined;
  const values = evaluate(op, x, attributes, result);
  if (values === undefined) return undefined;
  if (result.type !== 'f32' && values.some((value) => !Number.isSafeInteger(value))) return undefined;
  return [encodeValues(result.type, values)];
}

/** The numbers of a tensor; int64 beyond 2^53 become the nearest number. */
export function decodeValues(tensor: TensorValue): Values {
  const count = elements(tensor.dims);
  const { data, type } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    if (type === 'f32') out[i] = view.getFloat32(4 * i, true);
    else if (type === 'i32') out[i] = view.getInt32(4 * i, true);
    else if (type === 'i64') out[i] = Number(view.getBigInt64(8 * i, true));
    else out[i] = data[i] as number;
  }
  return out;
}

/** The data of a tensor of these numbers. */
export function encodeValues(type: ElementType, values: ArrayLike<number>): Bytes {
  const out = new Uint8Array(values.length * ELEMENT_BYTES[type]);
  const view = new DataView(out.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (type === 'f32') view.setFloat32(4 * i, value, true);
    else if (type === 'i32') view.setInt32(4 * i, value, true);
    else if (type === 'i64') view.setBigInt64(8 * i, BigInt(value), true);
    else out[i] = value;
  }
  return out;
}

function evaluate(op: OpName, x: readonly TensorValue[], a: Attributes, result: Result): Values | undefined {
  const first = x[0] as TensorValue;
  const list = (key: string): readonly number[] => {
    const attribute = a[key];
    return attribute?.type === 'ints' ? attribute.value : [];
  };
  switch (op) {
    case 'Reshape':
      return decodeValues(first);
    case 'Cast':
      return cast(decodeValues(first), first.type, result.type);
    case 'Transpose': {
      const strides = rowMajor(first.dims);
      return pick(
        first,
        result.dims,
        list('perm').map((axis) => strides[axis] as number),
      );
    }
    case 'Expand':
      return pick(first, result.dims, broadcastStrides(first.dims, result.dims));
    case 'Slice': {
      const strides = rowMajor(first.dims);
      let start = 0;
      const steps = [...strides];
      list('axes').forEach((axis, i) => {
        start += (list('starts')[i] as number) * (strides[axis] as number);
        steps[axis] = (strides[axis] as number) * (list('steps')[i] as number);
      });
      return pick(first, result.dims, steps, start);
    }
    case 'Concat':
      return concatenate(x, (a.axis as { value: number }).value, result.dims);
    case 'Gather':
      return gather(first, x[1] as TensorValue, result.dims);
    case 'Where':
      return where(x, result.dims);
    default:
      return pointwise(op, x, result);
  }
}

function pointwise(op: OpName, x: readonly TensorValue[], result: Result): Values | undefined {
  const f = POINTWISE[op];
  if (f === undefined || (f.length !== x.length && x.length !== 1)) return undefined;
  const integer = result.type !== 'f32';
  const [a, b = a] = x.map((operand) => pick(operand, result.dims, broadcastStrides(operand.dims, result.dims)));
  if (a === undefined || b === undefined) return undefined;
  const out = new Float64Array(a.length);
  for (let i = 0; i < out.length; i++) {
    const value = f(a[i] as number, b[i] as number);
    out[i] = integer ? Math.trunc(value) : Math.fround(value);
  }
  return out;
}

/** Each of these is exact in f64 before its one rounding to f32 (ENGINE section 13), or an integer. */
const POINTWISE: Partial<Record<OpName, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Max: (a, b) => Math.max(a, b),
  Min: (a, b) => Math.min(a, b),
  Less: (a, b) => (a < b ? 1 : 0),
  LessOrEqual: (a, b) => (a <= b ? 1 : 0),
  Greater: (a, b) => (a > b ? 1 : 0),
  GreaterOrEqual: (a, b) => (a >= b ? 1 : 0),
  Equal: (a, b) => (a === b ? 1 : 0),
  Neg: (a) => -a,
  Abs: (a) => Math.abs(a),
  Sqrt: (a) => Math.sqrt(a),
};

function cast(values: Values, from: ElementType, to: ElementType): Values {
  if (to === 'bool') return values.map((value) => (value === 0 ? 0 : 1));
  if (to === 'f32') return values.map((value) => Math.fround(value));
  return from === 'f32' ? values.map((value) => Math.trunc(value)) : values;
}

function gather(table: TensorValue, index: TensorValue, dims: readonly number[]): Values | undefined {
  const rows = table.dims[0] as number;
  const size = elements(table.dims.slice(1));
  const source = decodeValues(table);
  const out = new Float64Array(elements(dims));
  let at = 0;
  for (const raw of decodeValues(index)) {
    const row = raw < 0 ? raw + rows : raw;
    if (row < 0 || row >= rows) return undefined;
    out.set(source.subarray(row * size, (row + 1) * size), at);
    at += size;
  }
  return out;
}

function where(x: readonly TensorValue[], dims: readonly number[]): Values {
  const [condition, a, b] = x.map((operand) => pick(operand, dims, broadcastStrides(operand.dims, dims)));
  return must(condition, 'three operands').map((bit, i) => (bit !== 0 ? a?.[i] : b?.[i]) as number);
}

function concatenate(parts: readonly TensorValue[], axis: number, dims: readonly number[]): Values {
  const outer = elements(dims.slice(0, axis));
  const row = elements(dims.slice(axis));
  const out = new Float64Array(outer * row);
  let column = 0;
  for (const part of parts) {
    const width = elements(part.dims.slice(axis));
    const values = decodeValues(part);
    for (let i = 0; i < outer; i++) out.set(values.subarray(i * width, (i + 1) * width), i * row + column);
    column += width;
  }
  return out;
}

/** Elements of a tensor read with other sizes and strides. */
function pick(tensor: TensorValue, sizes: readonly number[], strides: readonly number[], start = 0): Values {
  const source = decodeValues(tensor);
  const out = new Float64Array(elements(sizes));
  const at = sizes.map(() => 0);
  let from = start;
  for (let i = 0; i < out.length; i++) {
    out[i] = source[from] as number;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      at[axis] = (at[axis] as number) + 1;
      if ((at[axis] as number) < (sizes[axis] as number)) break;
      from -= (strides[axis] as number) * (sizes[axis] as number);
      at[axis] = 0;
    }
  }
  return out;
}

/** Element strides of a dense row-major tensor. */
export function rowMajor(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] as number) * (dims[i + 1] as number);
  return strides;
}

/** Strides by which an operand of `dims` is read over `full` dimensions: 0 along axes that repeat. */
export function broadcastStrides(dims: readonly number[], full: readonly number[]): number[] {
  const own = rowMajor(dims);
  const shift = full.length - dims.length;
  return full.map((_, i) => (i < shift || dims[i - shift] === 1 ? 0 : (own[i - shift] as number)));
}
