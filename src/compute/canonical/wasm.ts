/**
 * # WASM kernels: the committed module, instantiated over a memory that grows.
 *
 * Always true: the module imports its memory and nothing else, so two instances share nothing, and what a kernel
 * computes depends on that memory and its arguments alone. Bytes come from the caller: this floor reads no files.
 */
import { type KernelCalls, type Kernels, MAX_BYTES, RESERVED_BYTES } from './kernels.ts';

const PAGE_BYTES = 65_536;

/** What this file uses of the WebAssembly API, which is part of the language platform, not of Node. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Kernels of a module instance, with all of its exports: other rooms of the module type theirs themselves. */
export interface WasmKernels extends Kernels {
  readonly exports: Readonly<Record<string, unknown>>;
}

/**
 * An instance of the kernels' module over a fresh memory of `initialPages` pages of 64 KiB (at least 1; the first
 * belongs to the module). Throws WebAssembly.CompileError or LinkError if `bytes` are not such a module.
 */
export function instantiateKernels(bytes: Uint8Array, initialPages: number): WasmKernels {
  const pages = Math.max(initialPages, RESERVED_BYTES / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: MAX_BYTES / PAGE_BYTES });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return Object.assign(new GrowingMemory(memory), exports as unknown as KernelCalls, { exports });
}

/** The memory's half of Kernels. Views are made once per growth: a fresh view per access would cost an allocation. */
class GrowingMemory {
  readonly #memory: WasmMemory;
  buffer: ArrayBuffer;
  f32: Float32Array;
  i8: Int8Array;
  u8: Uint8Array;
  i32: Int32Array;
  u32: Uint32Array;

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.buffer = memory.buffer;
    this.f32 = new Float32Array(memory.buffer);
    this.i8 = new Int8Array(memory.buffer);
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
  }

  grow(bytes: number): void {
    const missing = bytes - this.buffer.byteLength;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.buffer = this.#memory.buffer;
    this.f32 = new Float32Array(this.buffer);
    this.i8 = new Int8Array(this.buffer);
    this.u8 = new Uint8Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
  }
}
