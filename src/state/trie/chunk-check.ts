/**
 * # Chunk check: whether a chunk is what a state root says of its range, before anything of it is believed.
 *
 * Always true: a chunk that passes holds exactly the keys of the state after `after`, up to its last key or to the end.
 * Work is bounded by the bytes of the chunk: subtrees inside the range are built from the entries and compared with the
 * hash that the proof's nodes have for them; those that the range cuts are descended by the proof.
 */
import { type Bytes, equal } from '../../base/bytes.ts';
import { CodecError } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { keyOf } from '../key.ts';
import { type Changes, change } from './change.ts';
import type { StateChunk } from './chunk.ts';
import { type DecodedNode, decodeNode } from './decode.ts';
import { nibbleAt } from './nibble.ts';
import { merkleValue, type StateVersion } from './node.ts';

export const CHUNK_FAULTS = {
  NotInOrder: 'keys are not in ascending order after the one that was asked for',
  Empty: 'the chunk is empty and does not say that nothing follows',
  MissingNode: 'a node on the way of a bound is not in the proof',
  MalformedNode: 'a node on the way of a bound is not the encoding of a trie node',
  UnusedNode: 'the proof holds a node twice, or one that is of no use',
  NotInState: 'a key of the chunk is not in the state, or has another value there',
  Incomplete: 'a key of the state is missing in the chunk, or its value differs',
} as const;

export type ChunkFault = keyof typeof CHUNK_FAULTS;

const HASH = 32;

/** A bound of the range as far as it lies in the subtree at hand; undefined: the subtree reaches it nowhere. */
type Bound = string | undefined;

/** Why `chunk` is not the part of the state with this root that begins after a key; undefined when it is. */
export function chunkFault(
  root: Bytes,
  after: Bytes | undefined,
  chunk: StateChunk,
  version: StateVersion = 1,
): ChunkFault | undefined {
  const keys = chunk.entries.map(([key]) => keyOf(key));
  const low = after === undefined ? undefined : keyOf(after);
  for (let i = 0; i < keys.length; i++) {
    const before = i === 0 ? low : (keys[i - 1] as string);
    if (before !== undefined && (keys[i] as string) <= before) return 'NotInOrder';
  }
  if (keys.length === 0 && !chunk.complete) return 'Empty';
  const high = chunk.complete ? undefined : keys[keys.length - 1];
  return new Check(chunk, keys, version).run(root, low, high);
}

class Check {
  private readonly keys: readonly string[];
  private readonly values: readonly Bytes[];
  private readonly changes: Changes;
  private readonly parts = new Map<string, Bytes>();
  private readonly proof: readonly Bytes[];
  private readonly used = new Set<string>();

  constructor({ entries, proof }: StateChunk, keys: readonly string[], version: StateVersion) {
    this.keys = keys;
    this.values = entries.map(([, value]) => value);
    this.changes = { version, keys, values: this.values };
    this.proof = proof;
    for (const part of proof) this.parts.set(keyOf(blake2_256(part)), part);
  }

  run(root: Bytes, low: Bound, high: Bound): ChunkFault | undefined {
    try {
      const fault = this.slot(root, { at: 0, low, high, from: 0, to: this.keys.length });
      if (fault !== undefined) return fault;
    } catch (error) {
      // The strict reader's word for bytes that are no trie node.
      if (error instanceof CodecError) return 'MalformedNode';
      throw error;
    }
    return this.used.size === this.proof.length ? undefined : 'UnusedNode';
  }

  /** A place in the trie that a bound leads into: `reference` is what its parent holds of the node there. */
  private slot(reference: Bytes, range: Range): ChunkFault | undefined {
    let encoded: Bytes | undefined = reference;
    if (reference.length === HASH) {
      const name = keyOf(reference);
      encoded = this.parts.get(name);
      if (encoded === undefined) return 'MissingNode';
      this.used.add(name);
    }
    const node = decodeNode(encoded);
    if (node === undefined) return range.from === range.to ? undefined : 'NotInState';
    return this.node(node, range);
  }

  private node(node: DecodedNode, { at, low, high, from, to }: Range): ChunkFault | undefined {
    const { partial } = node;
    const end = at + partial.length;
    const lower = sideOf(low, at, partial);
    const upper = sideOf(high, at, partial);
    // All that is here lies before the range, or behind it.
    if (lower === 'before' || upper === 'behind') return from === to ? undefined : 'NotInState';
    for (let i = from; i < to; i++) if (!leads(this.keys[i] as string, at, partial)) return 'NotInState';
    const inner = { low: lower === 'on' ? low : undefined, high: upper === 'on' ? high : undefined };
    let next = from;
    // The lower bound is not part of the range, and here it is this key or one below it.
    if (inner.low === undefined) {
      const own = next < to && 2 * (this.keys[next] as string).length === end;
      if (own !== (node.value !== undefined)) return own ? 'NotInState' : 'Incomplete';
      if (own && !this.holds(node, next++)) return 'NotInState';
    }
    for (let nibble = 0; nibble < 16; nibble++) {
      let past = next;
      while (past < to && nibbleAt(this.keys[past] as string, end) === nibble) past++;
      const fault = this.kid(node.kids[nibble], nibble, { at: end, ...inner, from: next, to: past });
      if (fault !== undefined) return fault;
      next = past;
    }
    return next === to ? undefined : 'NotInState';
  }

  private kid(kid: Bytes | undefined, nibble: number, range: Range): ChunkFault | undefined {
    const { at, from, to } = range;
    const isEmpty = from === to;
    const low = kidBound(range.low, at, nibble);
    const high = kidBound(range.high, at, nibble);
    if (low === 'above' || high === 'below') return isEmpty ? undefined : 'NotInState';
    if (kid === undefined) return isEmpty ? undefined : 'NotInState';
    if (low === 'here' || high === 'here') {
      const inner = { low: low === 'here' ? range.low : undefined, high: high === 'here' ? range.high : undefined };
      return this.slot(kid, { at: at + 1, ...inner, from, to });
    }
    const built = isEmpty ? undefined : change(this.changes, undefined, at + 1, from, to);
    return built !== undefined && equal(merkleValue(built), kid) ? undefined : 'Incomplete';
  }

  private holds({ value }: DecodedNode, index: number): boolean {
    const given = this.values[index] as Bytes;
    return value !== undefined && equal(value.bytes, value.hashed ? blake2_256(given) : given);
  }
}

/** Entries [from, to) lie at nibble `at` of the ways of the bounds. */
interface Range {
  readonly at: number;
  readonly low: Bound;
  readonly high: Bound;
  readonly from: number;
  readonly to: number;
}

/** Where a subtree lies that begins with these nibbles: before a bound, behind it, or on its way. */
function sideOf(bound: Bound, at: number, partial: readonly number[]): 'before' | 'behind' | 'on' | undefined {
  if (bound === undefined) return undefined;
  for (const [i, nibble] of partial.entries()) {
    if (at + i === 2 * bound.length) return 'behind';
    const wanted = nibbleAt(bound, at + i);
    if (nibble !== wanted) return nibble < wanted ? 'before' : 'behind';
  }
  return 'on';
}

/** Where a bound goes on from a node: not here at all, below this child, above it, or into it. */
function kidBound(bound: Bound, at: number, nibble: number): 'below' | 'above' | 'here' | undefined {
  if (bound === undefined) return undefined;
  if (2 * bound.length === at) return 'below';
  const way = nibbleAt(bound, at);
  return way === nibble ? 'here' : way < nibble ? 'below' : 'above';
}

function leads(key: string, at: number, partial: readonly number[]): boolean {
  if (2 * key.length < at + partial.length) return false;
  return partial.every((nibble, i) => nibbleAt(key, at + i) === nibble);
}
