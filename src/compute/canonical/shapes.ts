/**
 * # Shapes: the small tables of sizes and strides that some kernels read from memory.
 *
 * Always true: a table is a list of i32 words that depends on the graph alone, so a planner writes it once, anywhere
 * in the kernels' memory, and passes its byte offset. Strides count elements.
 */
import { assert } from '../../base/assert.ts';
import { MAX_RANK } from './kernels.ts';

/** Sizes and strides of a strided copy, outermost axis first. An input stride of 0 repeats, a negative one reverses. */
export interface CopyShape {
  readonly sizes: readonly number[];
  readonly outStrides: readonly number[];
  readonly inStrides: readonly number[];
}

/** The words of `Kernels.copy`: rank, sizes, output strides, input strides. At most MAX_RANK axes. */
export function copyShape({ sizes, outStrides, inStrides }: CopyShape): Int32Array {
  assert(sizes.length <= MAX_RANK, 'a copy has at most six axes');
  assert(outStrides.length === sizes.length && inStrides.length === sizes.length, 'one stride per axis');
  return Int32Array.of(sizes.length, ...sizes, ...outStrides, ...inStrides);
}

/** One axis of a tensor. */
export interface Axis {
  readonly size: number;
  readonly stride: number;
}

/** The words of `Kernels.sumAxes`: kept axes in the order of the output, reduced axes in their row-major order. */
export function sumShape(kept: readonly Axis[], reduced: readonly Axis[]): Int32Array {
  assert(kept.length <= MAX_RANK && reduced.length <= MAX_RANK, 'a reduction has at most six axes of each kind');
  const words = [kept, reduced].flatMap((axes) => [
    ...axes.map((axis) => axis.size),
    ...axes.map((axis) => axis.stride),
  ]);
  return Int32Array.of(kept.length, reduced.length, ...words);
}

/** Heads and the places of their rows; a stride is the distance of two rows of one head, in elements. */
export interface AttentionShape {
  readonly sequences: number;
  readonly heads: number;
  /** T: rows of a sequence. */
  readonly tokens: number;
  /** D: columns of a head. */
  readonly width: number;
  readonly causal: boolean;
  /** An f32 value, stored in the graph. */
  readonly scale: number;
  readonly strides: {
    readonly q: number;
    readonly k: number;
    readonly v: number;
    /** Of o and of its gradient. */
    readonly o: number;
    readonly dq: number;
    readonly dk: number;
    readonly dv: number;
  };
}

/** The 13 words of `Kernels.attention` and `attentionGrad`. */
export function attentionShape(shape: AttentionShape): Int32Array {
  const { strides } = shape;
  const scaleBits = new Int32Array(Float32Array.of(shape.scale).buffer)[0] as number;
  return Int32Array.of(
    ...[shape.sequences, shape.heads, shape.tokens, shape.width, shape.causal ? 1 : 0, scaleBits],
    ...[strides.q, strides.k, strides.v, strides.o, strides.dq, strides.dk, strides.dv],
  );
}
