/**
 * # Walk: reading a trie: a value, keys in order, the nodes that prove either.
 *
 * Recursion is as deep as the trie.
 */
import type { Bytes } from '../../base/bytes.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { bytesOf, keyOf } from '../key.ts';
import { countBits, divergence, nibbleAt } from './nibble.ts';
import { encodingOf, hashesValue, type StateVersion, type TrieNode } from './node.ts';

/** The value under a key. */
export function find(root: TrieNode | undefined, key: string): string | undefined {
  const end = 2 * key.length;
  let node = root;
  // Descend by single nibbles, then compare the whole key once.
  while (node !== undefined && node.depth < end) node = child(node, nibbleAt(key, node.depth));
  if (node === undefined || node.depth !== end || node.value === undefined || node.key !== key) return undefined;
  return node.value;
}

/** The highest node at or below a prefix. */
export function closest(root: TrieNode | undefined, prefix: string): TrieNode | undefined {
  const end = 2 * prefix.length;
  let node = root;
  while (node !== undefined && node.depth < end) node = child(node, nibbleAt(prefix, node.depth));
  return node?.key.startsWith(prefix) ? node : undefined;
}

/** Calls `visit` with every key and value at or below a node whose key is greater than `after`, in order, while it
 * returns true. Returns whether it always did. */
export function walk(
  node: TrieNode,
  after: string | undefined,
  visit: (key: string, value: string) => boolean,
): boolean {
  let bound = after;
  let least = -1;
  if (bound !== undefined) {
    const at = divergence(bound, node.key, 0, node.depth);
    if (at < node.depth) {
      // `after` leaves the path here: all that is below comes after it, or nothing does.
      if (2 * bound.length > at && nibbleAt(bound, at) > nibbleAt(node.key, at)) return true;
      bound = undefined;
    } else if (2 * bound.length > node.depth) {
      least = nibbleAt(bound, node.depth);
    }
  }
  if (node.value !== undefined && bound === undefined && !visit(node.key, node.value)) return false;
  for (let nibble = Math.max(least, 0); nibble < 16; nibble++) {
    const kid = child(node, nibble);
    if (kid !== undefined && !walk(kid, nibble === least ? bound : undefined, visit)) return false;
  }
  return true;
}

/** Every key and value, in order. */
export function* entriesOf(node: TrieNode | undefined): Generator<[string, string]> {
  if (node === undefined) return;
  if (node.value !== undefined) yield [node.key, node.value];
  for (const kid of node.kids) yield* entriesOf(kid);
}

/**
 * Adds to `proof` (by content) what proves the value of a key, or its absence: the encodings of the nodes on its way
 * that are not embedded in their parents, and the value where its node holds only its hash.
 */
export function collectProof(root: TrieNode, key: string, version: StateVersion, proof: Map<string, Bytes>): void {
  const end = 2 * key.length;
  let node: TrieNode | undefined = root;
  let start = 0;
  while (node !== undefined) {
    if (start === 0 || node.short === undefined) add(proof, encodingOf(node, start, version));
    const at = divergence(key, node.key, start, node.depth);
    if (at < node.depth) return;
    if (node.depth === end) {
      if (node.value !== undefined && hashesValue(node.value, version)) add(proof, bytesOf(node.value));
      return;
    }
    start = node.depth + 1;
    node = child(node, nibbleAt(key, node.depth));
  }
}

function add(proof: Map<string, Bytes>, part: Bytes): void {
  proof.set(keyOf(blake2_256(part)), part);
}

/** The child that a nibble leads to. */
export function child(node: TrieNode, nibble: number): TrieNode | undefined {
  const bit = 1 << nibble;
  return (node.bitmap & bit) === 0 ? undefined : node.kids[countBits(node.bitmap & (bit - 1))];
}
