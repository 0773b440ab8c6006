/**
 * # Warp: what proves a block final to somebody who knows nothing but genesis, in pieces of bounded size.
 *
 * Always true: a proof that decodes has at most MAX_FRAGMENTS fragments, each a header and a justification within their
 * bounds. Every fragment but the last of a finished proof is the block that ends a set of voters.
 */
import { bool, boundedBytes, type Of, struct, vec } from '../codec/index.ts';
import { MAX_PROOF_BYTES } from './justification.ts';

/** A set of 256 voters makes a header of 11 KiB, and a justification of 35 KiB. */
export const MAX_FRAGMENTS = 256;
/** An answer ends once it holds this much. */
export const WARP_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

export const WarpFragment = struct({
  header: boundedBytes(MAX_HEADER_BYTES),
  justification: boundedBytes(MAX_PROOF_BYTES),
});
export type WarpFragment = Of<typeof WarpFragment>;

export const WarpProof = struct({
  fragments: vec(WarpFragment, MAX_FRAGMENTS),
  /** Whether the last fragment is the newest block that is proven, whatever set it ends. */
  finished: bool,
});
export type WarpProof = Of<typeof WarpProof>;
