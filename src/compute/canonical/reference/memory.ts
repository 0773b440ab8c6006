/** # Reference memory: a plain ArrayBuffer that grows by copying, and its five views. */
import { assert } from '../../../base/assert.ts';
import { MAX_BYTES, RESERVED_BYTES } from '../kernels.ts';

/** Views are replaced by `grow`: kernels read them through the memory on every call. */
export class LinearMemory {
  buffer: ArrayBuffer;
  f32: Float32Array;
  i8: Int8Array;
  u8: Uint8Array;
  i32: Int32Array;
  u32: Uint32Array;

  constructor(bytes: number) {
    this.buffer = new ArrayBuffer(Math.max(roundUp(bytes), RESERVED_BYTES));
    this.f32 = new Float32Array(this.buffer);
    this.i8 = new Int8Array(this.buffer);
    this.u8 = new Uint8Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
  }

  grow(bytes: number): void {
    if (bytes <= this.buffer.byteLength) return;
    if (bytes > MAX_BYTES) throw new RangeError('the kernels hold at most 4 GiB');
    const grown = new LinearMemory(bytes);
    grown.u8.set(this.u8);
    this.buffer = grown.buffer;
    this.f32 = grown.f32;
    this.i8 = grown.i8;
    this.u8 = grown.u8;
    this.i32 = grown.i32;
    this.u32 = grown.u32;
  }

  /** The f32 tensor of n elements at a byte offset. */
  floats(at: number, n: number): Float32Array {
    assert(at % 4 === 0, 'a tensor lies on a multiple of four bytes');
    return this.f32.subarray(at / 4, at / 4 + n);
  }

  /** n unsigned words at a byte offset. */
  words(at: number, n: number): Uint32Array {
    return this.u32.subarray(at / 4, at / 4 + n);
  }
}

/** To whole pages, as WASM memories grow. */
function roundUp(bytes: number): number {
  return Math.ceil(bytes / RESERVED_BYTES) * RESERVED_BYTES;
}
