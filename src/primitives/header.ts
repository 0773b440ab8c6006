/**
 * # Header: a block's place in the chain and the roots of what it did.
 *
 * Always true: a block's hash is BLAKE2b-256 of its header with every digest item, the seal included.
 */
import { type Bytes, toHex } from '../base/bytes.ts';
import { type Codec, compactU32, composite, hash, reshaped, struct } from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import { Digest, DigestItem } from './digest.ts';

export interface Header {
  readonly parentHash: Bytes;
  readonly number: number;
  readonly stateRoot: Bytes;
  readonly extrinsicsRoot: Bytes;
  readonly digest: readonly DigestItem[];
}

/** The SCALE form; clients know the fields in snake case. */
export const Header: Codec<Header> = reshaped<Header>(
  composite(
    [
      { name: 'parent_hash', shape: hash.shape },
      { name: 'number', shape: compactU32.shape },
      { name: 'state_root', shape: hash.shape },
      { name: 'extrinsics_root', shape: hash.shape },
      { name: 'digest', shape: Digest.shape },
    ],
    { path: 'sp_runtime::generic::header::Header' },
  ),
  struct({ parentHash: hash, number: compactU32, stateRoot: hash, extrinsicsRoot: hash, digest: Digest }),
);

/** 32 bytes: the block's hash. */
export function headerHash(header: Header): Bytes {
  return blake2_256(Header.enc(header));
}

/** What `chain_getHeader` answers: hex throughout, digest items as their SCALE bytes. */
export interface HeaderJson {
  readonly parentHash: string;
  readonly number: string;
  readonly stateRoot: string;
  readonly extrinsicsRoot: string;
  readonly digest: { readonly logs: readonly string[] };
}

/** The JSON form of a header. */
export function headerJson(header: Header): HeaderJson {
  return {
    parentHash: toHex(header.parentHash),
    number: `0x${header.number.toString(16)}`,
    stateRoot: toHex(header.stateRoot),
    extrinsicsRoot: toHex(header.extrinsicsRoot),
    digest: { logs: header.digest.map((item) => toHex(DigestItem.enc(item))) },
  };
}
