/**
 * # Proof: what a state root says about a key, shown by trie nodes from anybody.
 *
 * Always true: an answer `ok` is the only one that the root allows; nodes that the way of the key does not need are
 * never decoded. Work is bounded by the length of the key and of the nodes on its way.
 */
import type { Bytes } from '../../base/bytes.ts';
import { CodecError, Reader } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { keyOf } from '../key.ts';
import { nibbleAt } from './nibble.ts';

const PROOF_FAULTS = {
  MissingNode: 'a node on the way of the key is not in the proof',
  MissingValue: 'the value of the key is not in the proof, only its hash',
  MalformedNode: 'a node on the way of the key is not the encoding of a trie node',
} as const;

export type ProofFault = keyof typeof PROOF_FAULTS;

/** The value that the root proves (undefined: proven absent), or why nothing is proven. */
export type Proven =
  | { readonly ok: true; readonly value: Bytes | undefined }
  | { readonly ok: false; readonly code: ProofFault };

interface DecodedNode {
  /** Nibbles of the node's own part of the key, one per element. */
  readonly partial: readonly number[];
  readonly value: { readonly hashed: boolean; readonly bytes: Bytes } | undefined;
  /** By nibble: a hash of 32 bytes, or the encoding of the child. */
  readonly kids: readonly (Bytes | undefined)[];
}

const HASH = 32;

/** What `root` (32 bytes) says of `key`, given proof nodes and hashed values in any order. */
export function verifyProof(root: Bytes, proof: readonly Bytes[], key: Bytes): Proven {
  return proofReader(root, proof)(key);
}

/** `verifyProof` for many keys: the proof is hashed once. */
export function proofReader(root: Bytes, proof: readonly Bytes[]): (key: Bytes) => Proven {
  const parts = new Map<string, Bytes>();
  for (const part of proof) parts.set(keyOf(blake2_256(part)), part);
  return (key) => {
    try {
      return descend(root, parts, keyOf(key));
    } catch (error) {
      // The strict reader's word for bytes that are no trie node.
      if (error instanceof CodecError) return { ok: false, code: 'MalformedNode' };
      throw error;
    }
  };
}

function descend(root: Bytes, parts: ReadonlyMap<string, Bytes>, key: string): Proven {
  const end = 2 * key.length;
  let at = 0;
  let encoded = parts.get(keyOf(root));
  for (;;) {
    if (encoded === undefined) return { ok: false, code: 'MissingNode' };
    const node = decodeNode(encoded);
    if (node === undefined) return { ok: true, value: undefined };
    for (const nibble of node.partial) {
      if (at === end || nibbleAt(key, at) !== nibble) return { ok: true, value: undefined };
      at++;
    }
    if (at === end) return provenValue(node, parts);
    const kid = node.kids[nibbleAt(key, at++)];
    if (kid === undefined) return { ok: true, value: undefined };
    encoded = kid.length === HASH ? parts.get(keyOf(kid)) : kid;
  }
}

function provenValue(node: DecodedNode, parts: ReadonlyMap<string, Bytes>): Proven {
  if (node.value === undefined) return { ok: true, value: undefined };
  if (!node.value.hashed) return { ok: true, value: node.value.bytes };
  const value = parts.get(keyOf(node.value.bytes));
  return value === undefined ? { ok: false, code: 'MissingValue' } : { ok: true, value: value.slice() };
}

/** The content of a node; undefined for the empty trie. CodecError when the bytes are no canonical node. */
function decodeNode(encoded: Bytes): DecodedNode | undefined {
  const from = new Reader(encoded);
  const first = from.u8();
  if (first === 0) {
    from.close();
    return undefined;
  }
  const kind = kindOf(first, from);
  const partial = readPartial(from, readLength(from, first, kind.room));
  const bitmap = kind.branch ? from.u16() : 0;
  if (kind.branch && bitmap === 0) from.fail('value');
  let value: DecodedNode['value'];
  if (kind.value === 'hashed') value = { hashed: true, bytes: from.take(HASH) };
  if (kind.value === 'embedded') value = { hashed: false, bytes: from.take(from.length(1)) };
  const kids: (Bytes | undefined)[] = [];
  for (let nibble = 0; nibble < 16; nibble++) {
    if (((bitmap >> nibble) & 1) === 0) {
      kids.push(undefined);
      continue;
    }
    const length = from.length(1);
    if (length > HASH) from.fail('length');
    kids.push(from.take(length));
  }
  from.close();
  return { partial, value, kids };
}

function kindOf(first: number, from: Reader): { branch: boolean; value: 'none' | 'embedded' | 'hashed'; room: number } {
  if (first >> 6 === 1) return { branch: false, value: 'embedded', room: 63 };
  if (first >> 6 === 2) return { branch: true, value: 'none', room: 63 };
  if (first >> 6 === 3) return { branch: true, value: 'embedded', room: 63 };
  if (first >> 5 === 1) return { branch: false, value: 'hashed', room: 31 };
  if (first >> 4 === 1) return { branch: true, value: 'hashed', room: 15 };
  return from.fail('variant');
}

/** Nibbles of the partial key: what the first byte tells, and 255 more for every full byte after it. */
function readLength(from: Reader, first: number, room: number): number {
  let length = first & room;
  if (length < room) return length;
  for (;;) {
    const more = from.u8();
    length += more;
    if (more < 255) return length;
  }
}

function readPartial(from: Reader, nibbles: number): number[] {
  const bytes = from.take((nibbles + 1) >> 1);
  const partial: number[] = [];
  for (const byte of bytes) partial.push(byte >> 4, byte & 15);
  if ((nibbles & 1) === 1 && partial.shift() !== 0) from.fail('value');
  return partial;
}
