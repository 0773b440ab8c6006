/** # ONNX messages: what the parent and its ONNX Runtime child say to each other. */
import type { ElementType } from '../graph/onnx.ts';

/** A tensor on its way: f32, i32, int64 as BigInt64Array, or masks as bytes. */
export interface RuntimeTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

export interface RuntimeRequest {
  readonly model: Uint8Array;
  /** One run per entry, in order, over one session. */
  readonly runs: readonly Readonly<Record<string, RuntimeTensor>>[];
  readonly threads: number;
}

export type RuntimeAnswer =
  | {
      readonly type: 'done';
      /** Outputs by name, of each run. */
      readonly outputs: readonly Readonly<Record<string, RuntimeTensor>>[];
      /** Milliseconds of each run. */
      readonly ms: readonly number[];
    }
  | { readonly type: 'failed'; readonly message: string };
