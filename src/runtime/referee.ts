/**
 * # Referee: what pallets ask of the mathematics of the work, injected with the host.
 *
 * Always true: every function is pure and exact; the runtime never imports `compute` (ARCHITECTURE.md, floors).
 */
import type { Bytes } from '../base/bytes.ts';

/** Sizes that fix the trees of a transcript. */
export interface TranscriptSizes {
  readonly steps: number;
  readonly segmentSteps: number;
  /** Mined nodes of the step graph. */
  readonly nodes: number;
}

export interface RegistrationTicket {
  readonly attempt: number;
  readonly ti: number;
  readonly tj: number;
  readonly s: number;
}

export interface Referee {
  /** T of the three roots (docs/spec/fragment.md). */
  transcript(roots: { readonly rS: Bytes; readonly rL: Bytes; readonly rG: Bytes }): Bytes;
  /** Whether the state root at the end of segment `index` opens in rS. */
  opensState(sizes: TranscriptSizes, rS: Bytes, index: number, root: Bytes, path: Bytes[]): boolean;
  /** Whether the operand roots of `node` at `step` open in rG. */
  opensOperands(
    sizes: TranscriptSizes,
    rG: Bytes,
    at: { readonly step: number; readonly node: number },
    roots: readonly [Bytes, Bytes],
    path: Bytes[],
  ): boolean;
  /** Whether every ticket is real work of `account` over `preHash` that beats `difficulty`. */
  registration(work: {
    readonly account: Bytes;
    readonly preHash: Bytes;
    readonly profile: number;
    readonly difficulty: bigint;
    readonly tickets: readonly RegistrationTicket[];
  }): boolean;
}
