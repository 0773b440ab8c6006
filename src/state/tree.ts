/**
 * # StateTree: one state of the chain, held whole in memory.
 *
 * Always true: a tree never changes; `with` gives another that shares all nodes but those on the ways of the changed
 * keys, and its root is that of a trie built from nothing. About 450 bytes an account, and three to four hashes for
 * each changed key (docs/spec/storage.md).
 */
import { assert } from '../base/assert.ts';
import { type Bytes, compare, equal } from '../base/bytes.ts';
import { finish, type Work } from '../base/work.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { bytesOf, keyOf } from './key.ts';
import { change } from './trie/change.ts';
import { CHUNK_LIMITS, type ChunkLimits, chunkOf, type StateChunk } from './trie/chunk.ts';
import { merkleValue, type StateVersion, type TrieNode } from './trie/node.ts';
import { closest, collectProof, entriesOf, find, walk } from './trie/walk.ts';
import type { ChangeSet, StateView } from './view.ts';

const EMPTY_NODE: Bytes = Uint8Array.of(0);
/** Keys that one piece of work changes: about a millisecond of hashing. */
export const KEYS_A_PIECE = 64;

/** How a tree came to be, so that it need not be computed again to be believed. */
interface Origin {
  readonly root: Bytes;
  readonly changes: ChangeSet;
}

/** An immutable base-16 trie of state version 1 (or 0). */
export class StateTree implements StateView {
  readonly version: StateVersion;
  /** The state root: BLAKE2b-256 of the root node. */
  readonly root: Bytes;
  private readonly top: TrieNode | undefined;
  private readonly origin: Origin | undefined;

  private constructor(top: TrieNode | undefined, version: StateVersion, origin?: Origin) {
    this.top = top;
    this.version = version;
    this.root = rootOf(top);
    this.origin = origin;
  }

  /** The state without keys. */
  static empty(version: StateVersion = 1): StateTree {
    return new StateTree(undefined, version);
  }

  /** The state of these keys and values; of equal keys the last one counts. */
  static from(entries: Iterable<readonly [Bytes, Bytes]>, version: StateVersion = 1): StateTree {
    const changes = new Map<string, Bytes>();
    for (const [key, value] of entries) changes.set(keyOf(key), value);
    return StateTree.empty(version).with(changes);
  }

  /** The state after some changes. */
  with(changes: ChangeSet): StateTree {
    return finish(this.changed(changes, changes.size));
  }

  /** `with` in pieces: the changes must stay as they are until it is done. */
  *changing(changes: ChangeSet): Work<StateTree> {
    return yield* this.changed(changes, KEYS_A_PIECE);
  }

  private *changed(changes: ChangeSet, piece: number): Work<StateTree> {
    const keys = [...changes.keys()].sort();
    const values = keys.map((key) => changes.get(key) ?? null);
    const sorted = { version: this.version, keys, values };
    let top = this.top;
    // Neighbours share their way up, so that little is hashed twice.
    for (let from = 0; from < keys.length; from += piece) {
      if (from > 0) yield;
      top = change(sorted, top, 0, from, Math.min(from + piece, keys.length));
    }
    return top === this.top ? this : new StateTree(top, this.version, { root: this.root, changes });
  }

  /** Whether this very tree came from `with(changes)` on a state with that root. */
  follows(root: Bytes, changes: ChangeSet): boolean {
    return this.origin !== undefined && this.origin.changes === changes && equal(this.origin.root, root);
  }

  get(key: Bytes): Bytes | undefined {
    const value = find(this.top, keyOf(key));
    return value === undefined ? undefined : bytesOf(value);
  }

  /** `get` for whoever has the key in string form and wants the value in the same form (key.ts). */
  valueAt(key: string): string | undefined {
    return find(this.top, key);
  }

  keys(prefix: Bytes, after: Bytes | undefined, limit: number): Bytes[] {
    const start = keyOf(prefix);
    const from = closest(this.top, start);
    const out: Bytes[] = [];
    if (from === undefined || limit <= 0) return out;
    walk(from, after === undefined ? undefined : keyOf(after), (key) => out.push(bytesOf(key)) < limit);
    return out;
  }

  /**
   * Trie nodes and hashed values that prove, against the root, what is under each key or that nothing is; in
   * ascending order, each once (the form of `state_getReadProof`).
   */
  prove(keys: readonly Bytes[]): Bytes[] {
    const proof = new Map<string, Bytes>();
    if (this.top === undefined) return [EMPTY_NODE];
    for (const key of keys) collectProof(this.top, keyOf(key), this.version, proof);
    return [...proof.values()].sort(compare);
  }

  /**
   * What a parent holds of the highest node at or below a prefix: its hash, or its encoding if that is shorter than
   * 32 bytes (`closestDescendantMerkleValue`). Undefined where no key begins with the prefix.
   */
  merkleValue(prefix: Bytes): Bytes | undefined {
    const node = closest(this.top, keyOf(prefix));
    if (node === undefined) return undefined;
    return node === this.top ? this.root.slice() : merkleValue(node);
  }

  /** The part of the state that begins after a key, or at its beginning, with its proof (trie/chunk.ts). */
  chunk(after: Bytes | undefined, limits: ChunkLimits = CHUNK_LIMITS): StateChunk {
    if (this.top === undefined) return { entries: [], complete: true, proof: [EMPTY_NODE] };
    return chunkOf(this.top, this.version, after, limits);
  }

  /** All keys and values in order of keys. */
  *entries(): Iterable<[Bytes, Bytes]> {
    for (const [key, value] of entriesOf(this.top)) yield [bytesOf(key), bytesOf(value)];
  }
}

function rootOf(top: TrieNode | undefined): Bytes {
  if (top === undefined) return blake2_256(EMPTY_NODE);
  const value = merkleValue(top);
  const root = top.short === undefined ? value : blake2_256(value);
  assert(root.length === 32, 'a state root has 32 bytes');
  return root;
}
