/**
 * # NPY: arrays as numpy stores them, for the tools.
 *
 * Always true: C order and little-endian only; the header is checked before data is believed.
 * Source: numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 and 2.0.
 */
import { type Bytes, concat, startsWith, utf8 } from '../../base/bytes.ts';
import { type ElementType, elements } from '../graph/onnx.ts';
import type { RuntimeTensor } from './onnx-messages.ts';

/** A file that is not an array of a known type. */
export class NpyError extends Error {
  override readonly name = 'NpyError';
}

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const DESCRIPTORS: Readonly<Record<ElementType, string>> = { f32: '<f4', i32: '<i4', i64: '<i8', bool: '|b1' };
const ALIGNMENT = 64;

/** The file of an array. */
export function writeNpy({ type, dims, data }: RuntimeTensor): Bytes {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  const text = `{'descr': '${DESCRIPTORS[type]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const padding = ALIGNMENT - ((MAGIC.length + 4 + text.length + 1) % ALIGNMENT);
  const header = utf8(`${text}${' '.repeat(padding % ALIGNMENT)}\n`);
  const size = Uint8Array.of(header.length & 0xff, header.length >> 8);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return concat(MAGIC, Uint8Array.of(1, 0), size, header, bytes);
}

/** The array of a file. Throws NpyError. */
export function readNpy(file: Bytes): RuntimeTensor {
  expect(startsWith(file, MAGIC) && file.length >= 12, 'no NPY magic');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = file[6] as number;
  expect(version === 1 || version === 2, `version ${version}`);
  const start = version === 1 ? 10 : 12;
  const size = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  expect(size <= file.length - start && size <= 65_536, 'the header is longer than the file');
  const header = String.fromCharCode(...file.subarray(start, start + size));
  const descriptor = /'descr'\s*:\s*'([^']{1,8})'/.exec(header)?.[1];
  const type = (Object.keys(DESCRIPTORS) as ElementType[]).find((each) => DESCRIPTORS[each] === descriptor);
  expect(type !== undefined, `element type ${descriptor}; known are ${Object.values(DESCRIPTORS).join(', ')}`);
  expect(/'fortran_order'\s*:\s*False/.test(header), 'Fortran order');
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  expect(shape !== undefined, 'no shape');
  const dims = shape.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  // A copy, so that typed arrays are aligned; `slice` would not copy where the file is a Buffer.
  const data = Uint8Array.from(file.subarray(start + size));
  const count = elements(dims);
  const width = type === 'i64' ? 8 : type === 'bool' ? 1 : 4;
  expect(Number.isSafeInteger(count) && data.length === count * width, `${data.length} bytes for ${dims.join('x')}`);
  return { type, dims, data: typed(type, data) };
}

function typed(type: ElementType, { buffer }: Bytes): RuntimeTensor['data'] {
  if (type === 'f32') return new Float32Array(buffer);
  if (type === 'i32') return new Int32Array(buffer);
  return type === 'i64' ? new BigInt64Array(buffer) : new Uint8Array(buffer);
}

function expect(condition: unknown, what: string): asserts condition {
  if (!condition) throw new NpyError(`not an array that can be read: ${what}`);
}
