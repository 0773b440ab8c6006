/**
 * # Chunk: a part of a state in order of keys, and the nodes that show that nothing of it is missing.
 *
 * Always true: a chunk holds every key after `after` up to its last one, or up to the end of the state when it says
 * `complete`; its proof is the encodings of the nodes on the ways of these two bounds, which the root names by hash.
 * A chunk that decodes holds at most MAX_CHUNK_ENTRIES keys of MAX_KEY_BYTES each.
 */
import type { Bytes } from '../../base/bytes.ts';
import {
  bool,
  boundedBytes,
  type Codec,
  compactU32,
  mapped,
  type Of,
  type Reader,
  struct,
  vec,
} from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { bytesOf, keyOf } from '../key.ts';
import { divergence, nibbleAt } from './nibble.ts';
import { encodingOf, type StateVersion, type TrieNode } from './node.ts';
import { child, walk } from './walk.ts';

/** Two accounts under a prefix are 128 bytes. Far longer keys would make tries deeper than a stack bears. */
export const MAX_KEY_BYTES = 512;
/** A preimage has at most 4 MiB, and its length before it. */
const MAX_VALUE_BYTES = 4 * 1024 * 1024 + 64;
export const MAX_CHUNK_ENTRIES = 16_384;
/** A chunk ends once it holds this much, so it holds at most one value more. */
const CHUNK_BYTES = 1024 * 1024;
/** Header, half a key, bitmap, value hash and sixteen hashes, generously. */
const MAX_NODE_BYTES = 2 * 1024;
/** Two ways of at most 2 nodes a byte of key would be 2,048; those of hashed keys have about 20. */
const MAX_PROOF_NODES = 512;

export type StateEntry = readonly [key: Bytes, value: Bytes];

export interface StateChunk {
  /** Ascending, each key once. */
  readonly entries: readonly StateEntry[];
  /** Whether no key follows. */
  readonly complete: boolean;
  /** Encodings of trie nodes, each once. */
  readonly proof: readonly Bytes[];
}

const StateKey = boundedBytes(MAX_KEY_BYTES);

/** Keys of one map share 32 bytes with the key before: they are told once. */
const Entry = struct({ shared: compactU32, rest: StateKey, value: boundedBytes(MAX_VALUE_BYTES) });

const Entries: Codec<readonly StateEntry[]> = mapped(vec(Entry, MAX_CHUNK_ENTRIES), {
  decode: unpacked,
  encode: packed,
});

export const StateChunk: Codec<StateChunk> = struct({
  entries: Entries,
  complete: bool,
  proof: vec(boundedBytes(MAX_NODE_BYTES), MAX_PROOF_NODES),
});

/** How much of a state goes into one chunk. */
export interface ChunkLimits {
  readonly bytes: number;
  readonly entries: number;
}

export const CHUNK_LIMITS: ChunkLimits = { bytes: CHUNK_BYTES, entries: MAX_CHUNK_ENTRIES };

/** The chunk of a trie that begins after a key, or at its beginning; at least one entry, if there is one. */
export function chunkOf(
  top: TrieNode,
  version: StateVersion,
  after: Bytes | undefined,
  { bytes, entries: most }: ChunkLimits,
): StateChunk {
  const low = after === undefined ? undefined : keyOf(after);
  const entries: StateEntry[] = [];
  let held = 0;
  let last: string | undefined;
  const complete = walk(top, low, (key, value) => {
    if (held >= bytes || entries.length >= most) return false;
    entries.push([bytesOf(key), bytesOf(value)]);
    held += key.length + value.length;
    last = key;
    return true;
  });
  const proof = new Map<string, Bytes>();
  collectWay(top, low ?? '', version, proof);
  if (!complete && last !== undefined) collectWay(top, last, version, proof);
  return { entries, complete, proof: [...proof.values()] };
}

/** Adds the encodings of the nodes on the way of a key, down to where the trie leaves it. */
function collectWay(top: TrieNode, key: string, version: StateVersion, proof: Map<string, Bytes>): void {
  let node: TrieNode | undefined = top;
  let start = 0;
  while (node !== undefined) {
    // An embedded node stands in its parent; the root is named by hash whatever its length.
    if (start === 0 || node.short === undefined) {
      const encoding = encodingOf(node, start, version);
      proof.set(keyOf(blake2_256(encoding)), encoding);
    }
    if (divergence(key, node.key, start, node.depth) < node.depth || node.depth === 2 * key.length) return;
    start = node.depth + 1;
    node = child(node, nibbleAt(key, node.depth));
  }
}

function packed(entries: readonly StateEntry[]): Of<typeof Entry>[] {
  let before: Bytes = new Uint8Array(0);
  return entries.map(([key, value]) => {
    const shared = sharedBytes(before, key);
    before = key;
    return { shared, rest: key.subarray(shared), value };
  });
}

function unpacked(entries: readonly Of<typeof Entry>[], from: Reader): StateEntry[] {
  let before: Bytes = new Uint8Array(0);
  return entries.map(({ shared, rest, value }) => {
    if (shared > before.length || shared + rest.length > MAX_KEY_BYTES) from.fail('length');
    const key = new Uint8Array(shared + rest.length);
    key.set(before.subarray(0, shared));
    key.set(rest, shared);
    // One form for one chunk: all that is shared is told as shared.
    if (sharedBytes(before, key) !== shared) from.fail('value');
    before = key;
    return [key, value];
  });
}

function sharedBytes(a: Bytes, b: Bytes): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a[at] === b[at]) at++;
  return at;
}
