/**
 * # Safetensors: named f32 tensors in one file, without code.
 *
 * Always true: a file that is read holds exactly the tensors that its header lists, side by side in the order of their
 * offsets, with no byte left over. Source: github.com/huggingface/safetensors, README, "Format".
 */
import { type Bytes, concat, fromLittleEndian, fromUtf8, littleEndian, utf8 } from '../../base/bytes.ts';
import { elements } from '../graph/onnx.ts';

export interface NamedTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** f32 little-endian. */
  readonly data: Bytes;
}

/** A file that is not safetensors of float32 tensors. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/** The reference implementation's bound on a header. */
const MAX_HEADER = 100_000_000;
const MAX_TENSORS = 65_536;
const ALIGNMENT = 8;

/** The file of these tensors, in their order. Names are distinct. */
export function writeSafetensors(tensors: readonly NamedTensor[]): Bytes {
  let at = 0;
  const header = Object.fromEntries(
    tensors.map(({ name, dims, data }) => {
      const begin = at;
      at += data.length;
      return [name, { dtype: 'F32', shape: dims, data_offsets: [begin, at] }];
    }),
  );
  const json = utf8(JSON.stringify(header));
  // The header is padded with spaces so that the data is aligned.
  const padding = new Uint8Array((ALIGNMENT - (json.length % ALIGNMENT)) % ALIGNMENT).fill(0x20);
  const size = littleEndian(BigInt(json.length + padding.length), 8);
  return concat(size, json, padding, ...tensors.map(({ data }) => data));
}

/** The tensors of a file, in the order of their data. Views of `file`. Throws SafetensorsError. */
export function readSafetensors(file: Bytes): NamedTensor[] {
  expect(file.length >= 8, 'it ends before its header');
  const size = fromLittleEndian(file.subarray(0, 8));
  expect(size <= BigInt(Math.min(MAX_HEADER, file.length - 8)), 'its header is longer than the file');
  const start = 8 + Number(size);
  const data = file.subarray(start);
  const header = parseHeader(file.subarray(8, start));
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  expect(entries.length <= MAX_TENSORS, 'it lists too many tensors');
  const places = entries.map(([name, entry]) => ({ name, ...place(name, entry) })).sort((a, b) => a.begin - b.begin);
  let at = 0;
  for (const { name, begin, end } of places) {
    expect(begin === at, `tensor ${name} does not follow the one before`);
    at = end;
  }
  expect(at === data.length, 'bytes are left over');
  return places.map(({ name, dims, begin, end }) => ({ name, dims, data: data.subarray(begin, end) }));
}

function place(name: string, entry: unknown): { dims: readonly number[]; begin: number; end: number } {
  expect(typeof entry === 'object' && entry !== null, `the entry of ${name} is no object`);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  expect(dtype === 'F32', `tensor ${name} is ${String(dtype)}, not F32`);
  expect(isCounts(shape) && shape.length <= 8, `the shape of ${name}`);
  expect(isCounts(offsets) && offsets.length === 2, `the offsets of ${name}`);
  const [begin = 0, end = 0] = offsets;
  expect(end - begin === 4 * elements(shape), `tensor ${name} has another length than its shape`);
  return { dims: shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

function parseHeader(bytes: Bytes): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      throw new SafetensorsError('its header is not JSON');
    throw error;
  }
  expect(typeof header === 'object' && header !== null && !Array.isArray(header), 'its header is no object');
  return header as Record<string, unknown>;
}

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new SafetensorsError(`not a safetensors file: ${what}`);
}
