/**
 * # Emitter: addresses for one node at a time, and the list of steps that grows.
 *
 * Always true: an address that is handed out stays valid until the node that asked for it is done; what lives longer
 * is a storage. Tables come after everything else, so their addresses are patched in when the peak is known.
 */
import { assert, must } from '../../base/assert.ts';
import type { KernelCalls } from '../canonical/kernels.ts';
import { type CopyShape, copyShape } from '../canonical/shapes.ts';
import { broadcastStrides, decodeValues, rowMajor } from '../graph/fold.ts';
import { GraphError } from '../graph/graph-error.ts';
import { type Graph, type Node, tensorOf } from '../graph/ir.ts';
import { elements, type TensorValue } from '../graph/onnx.ts';
import { Arena, align, type Block } from './arena.ts';
import type { ClipStep, GemmCall, KernelStep, Step, Table, UniformStep, UpdateStep } from './plan.ts';
import { bytesOf, type Place, rootOf, type Storage } from './storage.ts';

/** A byte offset, or one inside table number `table`, known when the plan is finished. */
export type Address = number | { readonly table: number };

/** Replaces addresses by numbers. */
type Open<T> = { readonly [K in keyof T]: T[K] extends number ? Address : T[K] };
type OpenStep =
  | { readonly kind: 'kernel'; readonly name: keyof KernelCalls; readonly args: readonly Address[] }
  | Open<UniformStep>
  | { readonly kind: 'gemm'; readonly call: Open<GemmCall> }
  | Open<ClipStep>
  | Open<UpdateStep>;

export class Emitter {
  readonly graph: Graph;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #arena: Arena;
  readonly #blocks = new Map<Storage, Block>();
  readonly #steps: OpenStep[] = [];
  readonly #tables: Int32Array[] = [];
  readonly #tableIndex = new Map<string, number>();
  #scratch: Block[] = [];
  #index = 0;

  constructor(graph: Graph, places: ReadonlyMap<string, Place>, arenaBase: number) {
    this.graph = graph;
    this.#places = places;
    this.#arena = new Arena(arenaBase);
  }

  dims(name: string): readonly number[] {
    return tensorOf(this.graph, name).dims;
  }

  count(name: string): number {
    return elements(this.dims(name));
  }

  /** Starts node number `index`: outputs get memory, `heir` that of one of `reusable` if it dies here. */
  begin(index: number, outputs: readonly string[], heir?: string, reusable: readonly string[] = []): void {
    this.#index = index;
    for (const name of outputs) {
      const { storage } = rootOf(this.#place(name));
      if (storage.fixed !== undefined || this.#blocks.has(storage)) continue;
      const block = name === heir ? this.#inherited(storage, reusable) : undefined;
      const taken = block ?? this.#arena.take(storage.bytes);
      storage.at = taken.at;
      this.#blocks.set(storage, taken);
    }
  }

  /** Ends the node: scratch and every storage that nothing touches later are free again. */
  end(): void {
    for (const block of this.#scratch) this.#arena.give(block);
    this.#scratch = [];
    for (const [storage, block] of this.#blocks) {
      if (storage.lastUse > this.#index) continue;
      this.#blocks.delete(storage);
      this.#arena.give(block);
    }
  }

  #inherited(storage: Storage, reusable: readonly string[]): Block | undefined {
    if (storage.holds) return undefined;
    for (const name of reusable) {
      const place = this.#places.get(name);
      if (place === undefined || place.offset !== 0 || place.turned || place.storage.parent !== undefined) continue;
      const source = place.storage;
      const block = this.#blocks.get(source);
      const dying = source.lastUse === this.#index && source.bytes === storage.bytes && !source.holds;
      if (block === undefined || !dying) continue;
      // The operand keeps its address for the node that overwrites it.
      this.#blocks.delete(source);
      return block;
    }
    return undefined;
  }

  /** Where a value lies. Its elements are dense; `operand` tells of those that are stored turned. */
  at(name: string): Address {
    const constant = this.graph.constants.get(name);
    if (constant !== undefined) return this.table(constantWords(constant));
    const place = this.#place(name);
    assert(!place.turned, `${name} is read turned by an operator that cannot`);
    return this.#addressOf(place);
  }

  /** Where a matrix operand lies, and whether its last two axes are stored swapped. */
  operand(name: string): { readonly address: Address; readonly turned: boolean } {
    const place = this.#places.get(name);
    if (place === undefined) return { address: this.at(name), turned: false };
    return { address: this.#addressOf(place), turned: place.turned };
  }

  #addressOf(place: Place): number {
    const { storage, offset } = rootOf(place);
    return must(storage.fixed ?? storage.at, 'a value is read after it was computed') + offset;
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new GraphError('NotAStepGraph', `${name} cannot be read here`);
    return place;
  }

  /** Memory for this node alone. */
  scratch(bytes: number): number {
    const block = this.#arena.take(bytes);
    this.#scratch.push(block);
    return block.at;
  }

  /** The address of these words; equal tables are one. */
  table(words: Int32Array): Address {
    const key = words.join();
    let table = this.#tableIndex.get(key);
    if (table === undefined) {
      table = this.#tables.push(words) - 1;
      this.#tableIndex.set(key, table);
    }
    return { table };
  }

  call(name: keyof KernelCalls, ...args: readonly Address[]): void {
    this.#steps.push({ kind: 'kernel', name, args });
  }

  step(step: Exclude<OpenStep, { readonly kind: 'kernel' }>): void {
    this.#steps.push(step);
  }

  /** A strided copy of elements. */
  copy(out: Address, x: Address, shape: CopyShape): void {
    this.call('copy', out, x, this.table(copyShape(shape)));
  }

  /** A dense copy of n elements. */
  move(out: Address, x: Address, n: number): void {
    if (out !== x) this.copy(out, x, { sizes: [n], outStrides: [1], inStrides: [1] });
  }

  /** The value repeated to `dims`; itself where it has them. */
  full(name: string, dims: readonly number[]): Address {
    const own = this.dims(name);
    return elements(own) === elements(dims) ? this.at(name) : this.repeated(name, own, dims);
  }

  /** A value that is stored with dimensions `own`, written out repeated to `dims`. */
  repeated(name: string, own: readonly number[], dims: readonly number[]): number {
    const out = this.scratch(bytesOf(dims));
    const { address } = this.operand(name);
    this.copy(out, address, { sizes: dims, outStrides: rowMajor(dims), inStrides: broadcastStrides(own, dims) });
    return out;
  }

  /** The value at a numeric address, so that offsets can be added: constants are copied to scratch. */
  dense(name: string): number {
    const address = this.at(name);
    if (typeof address === 'number') return address;
    const copy = this.scratch(bytesOf(this.dims(name)));
    this.move(copy, address, this.count(name));
    return copy;
  }

  /** The one number of a constant scalar. */
  scalar(name: string): number | undefined {
    const constant = this.graph.constants.get(name);
    if (constant?.type !== 'f32' || elements(constant.dims) !== 1) return undefined;
    return decodeValues(constant)[0];
  }

  /** The steps with every address a number, the tables with theirs, and the end of the memory. */
  finish(): { readonly steps: readonly Step[]; readonly tables: readonly Table[]; readonly bytes: number } {
    let end = this.#arena.peak;
    const tables = this.#tables.map((words) => {
      const offset = end;
      end = align(end + words.byteLength);
      return { offset, words };
    });
    const resolve = (value: unknown): unknown =>
      typeof value === 'object' && value !== null && 'table' in value
        ? tables[(value as { table: number }).table]?.offset
        : value;
    const closed = <T extends object>(open: T): T =>
      Object.fromEntries(Object.entries(open).map(([key, value]) => [key, resolve(value)])) as T;
    const steps = this.#steps.map((step): Step => {
      if (step.kind === 'kernel') return { ...step, args: step.args.map(resolve) } as KernelStep;
      if (step.kind === 'gemm') return { kind: 'gemm', call: closed(step.call) as GemmCall };
      return closed(step) as UniformStep | ClipStep | UpdateStep;
    });
    return { steps, tables, bytes: end };
  }
}

/** The words of a constant in the kernels' memory: f32 bits, i32, or masks as f32 of 1 and +0. */
function constantWords(constant: TensorValue): Int32Array {
  const values = decodeValues(constant);
  const floats = constant.type === 'f32' || constant.type === 'bool';
  if (!floats) return Int32Array.from(values);
  return new Int32Array(Float32Array.from(values).buffer);
}

/** Attributes and operands of a node with the emitter at hand. */
export type EmitNode = (e: Emitter, node: Node) => void;
