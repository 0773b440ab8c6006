/**
 * # Proof: what a state root says about a key, shown by trie nodes from anybody.
 *
 * Always true: an answer `ok` is the only one that the root allows; nodes that the way of the key does not need are
 * never decoded. Work is bounded by the length of the key and of the nodes on its way.
 */
import type { Bytes } from '../../base/bytes.ts';
import { CodecError } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { type DecodedNode, decodeNode } from './decode.ts';
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

const HASH = 32;

/** What `root` (32 bytes) says of `key`, given proof nodes and hashed values in any order. */
export function verifyProof(root: Bytes, proof: readonly Bytes[], key: Bytes): Proven {
  return proofReader(root, proof)(key);
}

/** `verifyProof` for many keys: the proof is hashed once. */
export function proofReader(root: Bytes, proof: readonly Bytes[]): (key: Bytes) => Proven {
  const parts = new Map<string, Bytes>();
  for (const part of proof) parts.set(latin1(blake2_256(part)), part);
  return (key) => {
    try {
      return descend(root, parts, latin1(key));
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
  let encoded = parts.get(latin1(root));
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
    encoded = kid.length === HASH ? parts.get(latin1(kid)) : kid;
  }
}

function provenValue(node: DecodedNode, parts: ReadonlyMap<string, Bytes>): Proven {
  if (node.value === undefined) return { ok: true, value: undefined };
  if (!node.value.hashed) return { ok: true, value: node.value.bytes };
  const value = parts.get(latin1(node.value.bytes));
  return value === undefined ? { ok: false, code: 'MissingValue' } : { ok: true, value: value.slice() };
}

/** As `keyOf` (key.ts), without the Buffer that a browser does not have: light clients read proofs too. */
function latin1(bytes: Bytes): string {
  let out = '';
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}
