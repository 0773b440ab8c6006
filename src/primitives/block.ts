/**
 * # Block: a header and the extrinsics that lie under its extrinsics root.
 *
 * Always true: extrinsics are the exact bytes that arrived, length prefix included, so that a body is the concatenation
 * of its extrinsics behind their count, and each one's hash is the hash of its own bytes.
 */
import type { Bytes } from '../base/bytes.ts';
import { bytes, type Codec, codec, struct, vec } from '../codec/index.ts';
import { Header } from './header.ts';
import { Justifications } from './justification.ts';

export interface Block {
  readonly header: Header;
  /** Each with its length prefix. */
  readonly extrinsics: readonly Bytes[];
}

/** A block as nodes keep and send it: with what proves it final, or opens its ticket. */
export interface SignedBlock {
  readonly block: Block;
  readonly justifications: Justifications;
}

/** One extrinsic, undecoded. On the wire the prefix is the codec's length; in memory it belongs to the bytes. */
const RawExtrinsic: Codec<Bytes> = codec<Bytes>(
  bytes.shape,
  (out, value) => out.raw(value),
  (from) => {
    const start = from.at;
    const length = from.length(1);
    const prefix = from.at - start;
    from.at = start;
    return from.take(prefix + length);
  },
);

// One byte of prefix is the least an extrinsic takes, and blocks are bounded by bytes long before this.
const MAX_EXTRINSICS = 1_000_000;

/** A block's body: every extrinsic with its length prefix. */
export const Body: Codec<readonly Bytes[]> = vec(RawExtrinsic, MAX_EXTRINSICS);

export const Block: Codec<Block> = struct({ header: Header, extrinsics: Body });

export const SignedBlock: Codec<SignedBlock> = struct({ block: Block, justifications: Justifications });
