/**
 * # Merkle: one node rule for every tree of compute.
 *
 * Always true: leaf = SHA256(00 || bytes), node = SHA256(01 || left || right), and a node without a partner moves up
 * unchanged. The two prefixes keep a node from being shown as a leaf; a path's length follows from the number of
 * leaves and the index, so a tree has exactly one valid path per leaf.
 * Source: docs/spec/compute-pow.md (Commitments), ENGINE.md section 10.
 */
import { assert } from '../base/assert.ts';
import { type Bytes, equal } from '../base/bytes.ts';
import { sha256 } from '../crypto/hash.ts';

/** Bytes of a hash. */
const HASH_BYTES = 32;
/** Bytes of a leaf of a blob's or a state's tree; the last one may be shorter. */
export const LEAF_BYTES = 4_096;

/** A leaf's hash: SHA256(00 || bytes). */
export function merkleLeaf(bytes: Bytes): Bytes {
  const tagged = new Uint8Array(1 + bytes.length);
  tagged.set(bytes, 1);
  return sha256(tagged);
}

/** The hash of two neighbours: SHA256(01 || left || right). */
export function merkleNode(left: Bytes, right: Bytes): Bytes {
  const tagged = new Uint8Array(1 + 2 * HASH_BYTES);
  tagged[0] = 1;
  tagged.set(left, 1);
  tagged.set(right, 1 + HASH_BYTES);
  return sha256(tagged);
}

/** Every level of the tree, leaves first, the root's level last. `leaves` are leaf hashes, at least one. */
export function merkleLevels(leaves: readonly Bytes[]): readonly (readonly Bytes[])[] {
  assert(leaves.length > 0, 'a tree has at least one leaf');
  const levels: (readonly Bytes[])[] = [leaves];
  let level = leaves;
  while (level.length > 1) {
    const above: Bytes[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) above.push(merkleNode(level[i] as Bytes, level[i + 1] as Bytes));
    if (level.length % 2 === 1) above.push(level[level.length - 1] as Bytes);
    levels.push(above);
    level = above;
  }
  return levels;
}

/** The root over leaf hashes (at least one; a single leaf is its own root). */
export function merkleRoot(leaves: readonly Bytes[]): Bytes {
  const levels = merkleLevels(leaves);
  return (levels[levels.length - 1] as readonly Bytes[])[0] as Bytes;
}

/** The root over bytes (at least one) cut into leaves. */
export function treeRoot(bytes: Bytes): Bytes {
  return chosen(bytes);
}

/** As `treeRoot`, leaf by leaf: the reference. */
export function plainTreeRoot(bytes: Bytes): Bytes {
  const leaves: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += LEAF_BYTES) leaves.push(merkleLeaf(bytes.subarray(at, at + LEAF_BYTES)));
  return merkleRoot(leaves);
}

let chosen = plainTreeRoot;

/** Takes a faster `treeRoot` that proved itself equal. */
export function installTreeRoot(fast: (bytes: Bytes) => Bytes): void {
  chosen = fast;
}

/** The siblings from leaf `index` to the root; a promoted node has none. */
export function merklePath(leaves: readonly Bytes[], index: number): Bytes[] {
  return pathInLevels(merkleLevels(leaves), index);
}

/** As `merklePath`, of a tree that `merklePath`'s caller keeps: the levels of `merkleLevels`. */
export function pathInLevels(levels: readonly (readonly Bytes[])[], index: number): Bytes[] {
  const count = (levels[0] as readonly Bytes[]).length;
  assert(Number.isInteger(index) && index >= 0 && index < count, 'the leaf exists');
  const path: Bytes[] = [];
  let at = index;
  for (const level of levels) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) path.push(sibling);
    at >>>= 1;
  }
  return path;
}

/** The number of siblings that the path of leaf `index` has in a tree of `count` leaves. */
export function pathLength(count: number, index: number): number {
  let length = 0;
  for (let width = count, at = index; width > 1; width = Math.ceil(width / 2), at >>>= 1) {
    if ((at ^ 1) < width) length++;
  }
  return length;
}

/**
 * Whether `path` leads from leaf hash `leaf` at `index` of `count` leaves to `root`. False for an index outside the
 * tree and for a path that is too short or too long: the bytes may come from a peer.
 */
export function verifyPath(claim: {
  readonly leaf: Bytes;
  readonly index: number;
  readonly count: number;
  readonly path: readonly Bytes[];
  readonly root: Bytes;
}): boolean {
  const { leaf, index, count, path, root } = claim;
  if (!Number.isInteger(index) || index < 0 || index >= count) return false;
  if (path.length !== pathLength(count, index)) return false;
  let hash = leaf;
  let used = 0;
  for (let width = count, at = index; width > 1; width = Math.ceil(width / 2), at >>>= 1) {
    if ((at ^ 1) >= width) continue;
    const sibling = path[used++] as Bytes;
    hash = at % 2 === 1 ? merkleNode(sibling, hash) : merkleNode(hash, sibling);
  }
  return equal(hash, root);
}
