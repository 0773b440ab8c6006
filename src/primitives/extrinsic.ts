/**
 * # Extrinsic: what a block's body is made of: bytes from outside, signed by an account or bare.
 *
 * Always true: the exact bytes are kept, length prefix included: their BLAKE2b-256 is the hash that clients know, and
 * what was received is what is stored, gossiped and put under the extrinsics root. Nothing is ever re-encoded.
 */
import { type Bytes, concat } from '../base/bytes.ts';
import {
  type Codec,
  CodecError,
  compact,
  compactU32,
  composite,
  hash,
  Reader,
  type Shape,
  bytes as scaleBytes,
  struct,
  u32,
  unit,
} from '../codec/index.ts';
import { blake2_256 } from '../crypto/hash.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { MultiAddress, MultiSignature, multiSign } from './account.ts';
import { Era } from './era.ts';

/** What the signer says beside the call. */
export interface Extra {
  readonly era: Era;
  readonly nonce: number;
  readonly tip: bigint;
}

/** What the signer takes for granted: signed, but not sent. */
export interface Implicit {
  readonly specVersion: number;
  readonly transactionVersion: number;
  readonly genesisHash: Bytes;
  /** Hash of the era's first block; of the genesis for an immortal era. */
  readonly birthHash: Bytes;
}

export interface Extension {
  readonly name: string;
  /** What it adds to the extrinsic. */
  readonly explicit: Shape;
  /** What it adds to the signed payload alone. */
  readonly implicit: Shape;
}

function extension(name: string, path: string, explicit: Shape, implicit: Shape): Extension {
  const fields = explicit === unit.shape ? [] : [{ shape: explicit }];
  return { name, explicit: composite(fields, { path: `${path}::${name}` }), implicit };
}

/**
 * The transaction extensions in the order of their bytes, as the metadata lists them: `Extra` and `signingPayload`
 * below spell the same order. CheckMetadataHash is left out: polkadot-js 10 cannot skip its byte.
 */
export const EXTENSIONS: readonly Extension[] = [
  extension('CheckNonZeroSender', 'frame_system::extensions::check_non_zero_sender', unit.shape, unit.shape),
  extension('CheckSpecVersion', 'frame_system::extensions::check_spec_version', unit.shape, u32.shape),
  extension('CheckTxVersion', 'frame_system::extensions::check_tx_version', unit.shape, u32.shape),
  extension('CheckGenesis', 'frame_system::extensions::check_genesis', unit.shape, hash.shape),
  extension('CheckMortality', 'frame_system::extensions::check_mortality', Era.shape, hash.shape),
  extension('CheckNonce', 'frame_system::extensions::check_nonce', compactU32.shape, unit.shape),
  extension('CheckWeight', 'frame_system::extensions::check_weight', unit.shape, unit.shape),
  extension('ChargeTransactionPayment', 'pallet_transaction_payment', compact.shape, unit.shape),
];

const Extra: Codec<Extra> = struct({ era: Era, nonce: compactU32, tip: compact });
const ImplicitCodec: Codec<Implicit> = struct({
  specVersion: u32,
  transactionVersion: u32,
  genesisHash: hash,
  birthHash: hash,
});

export interface Signed {
  readonly address: MultiAddress;
  readonly signature: MultiSignature;
  readonly extra: Extra;
}
const SignedPart: Codec<Signed> = struct({ address: MultiAddress, signature: MultiSignature, extra: Extra });

export interface Extrinsic {
  /** The exact bytes, length prefix included. */
  readonly bytes: Bytes;
  /** BLAKE2b-256 of `bytes`. */
  readonly hash: Bytes;
  /** Absent from a bare extrinsic. */
  readonly signed: Signed | undefined;
  /** The call's bytes, not decoded. */
  readonly call: Bytes;
}

export const EXTRINSIC_FAULTS = {
  malformed: 'the bytes are no extrinsic',
  version: 'the version is neither 4 (signed or bare) nor 5 (bare)',
  general: 'general extrinsics (version 5 with extensions) are not accepted: sign version 4',
} as const;

export type ExtrinsicFault = keyof typeof EXTRINSIC_FAULTS;

/** Bytes that are no extrinsic of this chain. */
export class ExtrinsicError extends Error {
  override readonly name = 'ExtrinsicError';
  readonly code: ExtrinsicFault;

  constructor(code: ExtrinsicFault) {
    super(EXTRINSIC_FAULTS[code]);
    this.code = code;
  }
}

// Two bits of type (bare 0, general 1, signed 2) above six of version.
const BARE_V4 = 0x04;
const SIGNED_V4 = 0x84;
const BARE_V5 = 0x05;
const GENERAL_V5 = 0x45;

/** The extrinsic that `bytes` (length prefix included) spell; ExtrinsicError otherwise. The call is not decoded. */
export function decodeExtrinsic(bytes: Bytes): Extrinsic {
  // A copy by construction: a Buffer's slice would be a view of its owner.
  const own = new Uint8Array(bytes);
  try {
    const from = new Reader(own);
    if (from.length(1) !== from.left) throw new ExtrinsicError('malformed');
    const version = from.u8();
    if (version === GENERAL_V5) throw new ExtrinsicError('general');
    if (version !== BARE_V4 && version !== BARE_V5 && version !== SIGNED_V4) throw new ExtrinsicError('version');
    const signed = version === SIGNED_V4 ? SignedPart.read(from) : undefined;
    return { bytes: own, hash: blake2_256(own), signed, call: from.take(from.left) };
  } catch (error) {
    if (error instanceof CodecError) throw new ExtrinsicError('malformed');
    throw error;
  }
}

/** A bare extrinsic of a call: an inherent, or a call that proves itself by an inner signature. */
export function bareExtrinsic(call: Bytes): Extrinsic {
  return assemble(Uint8Array.of(BARE_V4), undefined, call);
}

/** What must be signed: call, extra and implicit data; its BLAKE2b-256 where that is longer than 256 bytes. */
export function signingPayload(call: Bytes, extra: Extra, implicit: Implicit): Bytes {
  const payload = concat(call, Extra.enc(extra), ImplicitCodec.enc(implicit));
  return payload.length > MAX_RAW_PAYLOAD ? blake2_256(payload) : payload;
}

// sp_runtime::generic::SignedPayload: hardware wallets cannot take more.
const MAX_RAW_PAYLOAD = 256;

/** A call signed by a keypair for the account that the pair controls. */
export function signExtrinsic(call: Bytes, extra: Extra, implicit: Implicit, keypair: Keypair): Extrinsic {
  const signed: Signed = {
    address: { type: 'Id', value: keypair.accountId },
    signature: multiSign(keypair, signingPayload(call, extra, implicit)),
    extra,
  };
  return assemble(concat(Uint8Array.of(SIGNED_V4), SignedPart.enc(signed)), signed, call);
}

function assemble(head: Bytes, signed: Signed | undefined, call: Bytes): Extrinsic {
  const bytes = scaleBytes.enc(concat(head, call));
  return { bytes, hash: blake2_256(bytes), signed, call };
}
