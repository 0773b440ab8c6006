/**
 * # State root: what a fragment commits to after a segment (section 10 of docs/spec/engine.md).
 *
 * Always true: a state is the bytes of theta || m || v (or fewer parts, as the optimiser has), f32 little-endian,
 * without padding between the parts, cut into 4,096-byte leaves of which the last may be shorter.
 */
import type { Bytes } from '../../base/bytes.ts';
import { LEAF_BYTES, merkleLeaf, merkleRoot, treeRoot } from '../merkle.ts';

/** The leaf hashes of a state given in parts, each a view of little-endian f32 bytes. */
export function stateLeaves(parts: readonly Bytes[]): Bytes[] {
  const leaves: Bytes[] = [];
  const leaf = new Uint8Array(LEAF_BYTES);
  let filled = 0;
  for (const part of parts) {
    let at = 0;
    while (at < part.length) {
      const taken = Math.min(LEAF_BYTES - filled, part.length - at);
      leaf.set(part.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled === LEAF_BYTES) {
        leaves.push(merkleLeaf(leaf));
        filled = 0;
      }
    }
  }
  if (filled > 0) leaves.push(merkleLeaf(leaf.subarray(0, filled)));
  return leaves;
}

/** The state root of parts that hold at least one byte together. */
export function stateRoot(parts: readonly Bytes[]): Bytes {
  return parts.length === 1 ? treeRoot(parts[0] as Bytes) : merkleRoot(stateLeaves(parts));
}
