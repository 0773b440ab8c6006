/**
 * # Change: many keys put into a trie at once; every node on their way is built once.
 *
 * Always true: the result is the one trie of the resulting keys and values, whatever trie it was made from; nodes
 * outside the ways of the changed keys are shared with it. Recursion is as deep as keys are prefixes of each other
 * or share nibbles: at most two levels for each byte of a key.
 */
import { must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { keyOf } from '../key.ts';
import { countBits, divergence, nibbleAt } from './nibble.ts';
import { reseat, type StateVersion, seal, TrieNode } from './node.ts';

/** Changes in ascending order of keys, each key once; null removes. */
export interface Changes {
  readonly version: StateVersion;
  readonly keys: readonly string[];
  readonly values: readonly (Bytes | null)[];
}

/** A branch that is being assembled: its place, and what is known of it before the changes. */
interface Site {
  readonly key: string;
  readonly depth: number;
  readonly value: string | undefined;
  readonly kids: readonly TrieNode[];
  readonly bitmap: number;
  /** The node that stands here unless something changes. */
  readonly original: TrieNode | undefined;
}

/** The trie after changes [lo, hi), all of which agree with it before nibble `start`. */
export function change(
  c: Changes,
  node: TrieNode | undefined,
  start: number,
  lo: number,
  hi: number,
): TrieNode | undefined {
  if (lo === hi) return node;
  if (node === undefined) return build(c, start, lo, hi);
  const first = c.keys[lo] as string;
  if (hi - lo === 1 && node.kids.length === 0 && first === node.key) return replaceLeaf(c, node, start, lo);
  // Sorted keys between two that share a prefix with the path share it too: the outermost two decide.
  let at = divergence(first, node.key, start, node.depth);
  if (hi - lo > 1) at = Math.min(at, divergence(c.keys[hi - 1] as string, node.key, start, at));
  if (at === node.depth) return assemble(c, { ...fields(node), original: node }, start, lo, hi);
  const bitmap = 1 << nibbleAt(node.key, at);
  const site = { key: node.key, depth: at, value: undefined, kids: [node], bitmap, original: node };
  return assemble(c, site, start, lo, hi);
}

function fields(node: TrieNode): Omit<Site, 'original'> {
  return { key: node.key, depth: node.depth, value: node.value, kids: node.kids, bitmap: node.bitmap };
}

function replaceLeaf(c: Changes, node: TrieNode, start: number, index: number): TrieNode | undefined {
  const raw = c.values[index] ?? null;
  if (raw === null) return undefined;
  const value = keyOf(raw);
  if (value === node.value) return node;
  return seal(new TrieNode(node.key, node.depth, value), start, c.version, raw);
}

/** A trie of the changes alone. */
function build(c: Changes, start: number, low: number, high: number): TrieNode | undefined {
  let lo = low;
  let hi = high;
  while (lo < hi && c.values[lo] === null) lo++;
  while (lo < hi && c.values[hi - 1] === null) hi--;
  if (lo === hi) return undefined;
  const key = c.keys[lo] as string;
  const end = 2 * key.length;
  if (hi - lo === 1) {
    const raw = must(c.values[lo], 'a value at the edge of the range');
    return seal(new TrieNode(key, end, keyOf(raw)), start, c.version, raw);
  }
  const depth = divergence(key, c.keys[hi - 1] as string, start, end);
  return assemble(c, { key, depth, value: undefined, kids: [], bitmap: 0, original: undefined }, start, lo, hi);
}

/** The node at `site` after changes [lo, hi), all of which lie at or below it. */
function assemble(c: Changes, site: Site, start: number, lo: number, hi: number): TrieNode | undefined {
  const { key, depth, original } = site;
  let { value, bitmap, kids } = site;
  let raw: Bytes | undefined;
  let at = lo;
  const first = c.keys[lo] as string;
  // A key that ends here sorts before all that go on.
  if (2 * first.length === depth) {
    raw = c.values[at++] ?? undefined;
    value = raw === undefined ? undefined : keyOf(raw);
  }
  let copy: TrieNode[] | undefined;
  while (at < hi) {
    const nibble = nibbleAt(c.keys[at] as string, depth);
    let end = at + 1;
    while (end < hi && nibbleAt(c.keys[end] as string, depth) === nibble) end++;
    const bit = 1 << nibble;
    const index = countBits(bitmap & (bit - 1));
    const old = (bitmap & bit) === 0 ? undefined : kids[index];
    const kid = change(c, old, depth + 1, at, end);
    at = end;
    if (kid === old) continue;
    if (copy === undefined) {
      copy = kids.slice();
      kids = copy;
    }
    if (old === undefined) copy.splice(index, 0, kid as TrieNode);
    else if (kid === undefined) copy.splice(index, 1);
    else copy[index] = kid;
    if (old === undefined || kid === undefined) bitmap ^= bit;
  }
  if (copy === undefined && value === site.value) return original;
  // A value needs its exact key: either the site had one before, or it comes with the first change.
  const own = value === undefined || 2 * key.length === depth ? key : first;
  return finish(c, { key: own, depth, value, kids, bitmap, original }, start, raw);
}

/** Gives the assembled node its final form: nothing, a leaf, the only child itself, or a branch. */
function finish(c: Changes, site: Site, start: number, raw: Bytes | undefined): TrieNode | undefined {
  const { key, depth, value, original } = site;
  let kids = site.kids;
  if (kids.length === 0 && value === undefined) return undefined;
  if (kids.length === 1 && value === undefined) return reseat(kids[0] as TrieNode, start, c.version);
  if (original !== undefined && original.depth > depth) {
    // A new branch was put in front of the original, which now begins later.
    const moved = kids.indexOf(original);
    if (moved >= 0) kids = kids.with(moved, reseat(original, depth + 1, c.version));
  }
  return seal(new TrieNode(key, depth, value, kids, site.bitmap), start, c.version, raw);
}
