/**
 * # Plan: a compiled graph as a list of kernel calls at fixed offsets.
 *
 * Always true: a plan follows from its graph alone; nothing is allocated or decided while it runs. It occupies
 * [base, bytes) of the kernels' memory, state first.
 */
import type { KernelCalls } from '../canonical/kernels.ts';
import type { CompiledGraph } from '../graph/compile.ts';
import type { ElementType } from '../graph/onnx.ts';

/** A kernel's arguments, all known before the first step. */
export interface KernelStep {
  readonly kind: 'kernel';
  readonly name: keyof KernelCalls;
  readonly args: readonly number[];
}

/** Which operand of a mined product is rounded stochastically. */
export type Rounding = 'nearest' | 'stochasticA' | 'stochasticB';

/** Uniforms of an operand of mined node `node`, drawn under the step's key. */
export interface UniformStep {
  readonly kind: 'uniform';
  readonly out: number;
  readonly count: number;
  readonly node: number;
  readonly purpose: number;
}

/** A mined product of operands that are quantised already; all offsets are bytes. */
export interface GemmCall {
  /** Index among the mined nodes of the graph. */
  readonly node: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** int8 [m][k] and f32 [m]. */
  readonly qA: number;
  readonly sA: number;
  /** int8 [n][k], line j is column j of B, and f32 [n]. */
  readonly qBT: number;
  readonly sB: number;
  /** f32 [m][n]. */
  readonly out: number;
  /** `igemmScratch(m, n, k)` bytes for whoever multiplies. */
  readonly scratch: number;
}

export interface GemmStep {
  readonly kind: 'gemm';
  readonly call: GemmCall;
}

/** Clips g[n] in place to a global norm. */
export interface ClipStep {
  readonly kind: 'clip';
  readonly g: number;
  readonly n: number;
  readonly most: number;
  readonly scratch: number;
}

/** Places of an optimiser's vectors; m or v is 0 where it keeps none. */
export interface UpdateStep {
  readonly kind: 'update';
  readonly theta: number;
  readonly m: number;
  readonly v: number;
  readonly g: number;
  readonly n: number;
  readonly rule:
    | { readonly kind: 'adamw'; readonly b1: number; readonly b2: number; readonly eps: number; readonly wd: number }
    | { readonly kind: 'sgd'; readonly mu: number; readonly wd: number; readonly nesterov: boolean };
}

export type Step = KernelStep | UniformStep | GemmStep | ClipStep | UpdateStep;

/** A mined product of the graph, in the order of the transcript. */
export interface MinedNode {
  readonly index: number;
  /** Name of the value that it computes. */
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly rounding: Rounding;
}

/** A tensor's place. Integers are held as i32, masks as f32 of 1 and +0. */
export interface PlacedTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly offset: number;
}

/** Words that a run reads and never writes: constants and the kernels' tables of shapes. */
export interface Table {
  readonly offset: number;
  readonly words: Int32Array;
}

export interface Plan {
  readonly compiled: CompiledGraph;
  readonly base: number;
  /** End of the plan's memory; a caller's own begins here or later, a multiple of 64. */
  readonly bytes: number;
  readonly state: {
    readonly offset: number;
    /** 1 to 3: theta, m, v, each `count` f32, without a gap. */
    readonly parts: number;
    readonly count: number;
  };
  /** Inputs that a batch fills. */
  readonly inputs: readonly PlacedTensor[];
  /** The graph's outputs, the scalar loss last. */
  readonly outputs: readonly PlacedTensor[];
  readonly tables: readonly Table[];
  readonly steps: readonly Step[];
  readonly mined: readonly MinedNode[];
}
