/**
 * # Validity: whether a transaction may enter a block, judged alike by the pool, the builder and whoever imports.
 *
 * Always true: what a signer took for granted (version, genesis, birth block) is part of what he signed; the order of
 * checks is Substrate's, so a wallet gets the error that it expects. Nothing is written here.
 */
import { concat, littleEndian } from '../base/bytes.ts';
import { min } from '../base/fixed.ts';
import { bool, CodecError, type Of, bytes as scaleBytes, struct, u64, vec } from '../codec/index.ts';
import { eraBirth, eraDeath } from '../primitives/era.ts';
import {
  decodeExtrinsic,
  type Extrinsic,
  ExtrinsicError,
  type Signed,
  signingPayload,
} from '../primitives/extrinsic.ts';
import type { Calls, DispatchInfo, RuntimeCall } from './calls.ts';
import type { Chain } from './chain.ts';
import type { Kernel } from './context.ts';
import { invalid, unknownTransaction } from './errors.ts';
import type { BareValidity } from './pallet.ts';
import { reducibleOf } from './pallets/balances.ts';
import { System } from './pallets/system.ts';
import { totalFee } from './pallets/transaction-payment.ts';
import type { AccountInfo } from './types.ts';
import { plus, SIGNATURE_WEIGHT } from './weights.ts';

export const ValidTransaction = struct(
  {
    priority: u64,
    requires: vec(scaleBytes),
    provides: vec(scaleBytes),
    longevity: u64,
    propagate: bool,
  },
  { path: 'sp_runtime::transaction_validity::ValidTransaction' },
);
export type ValidTransaction = Of<typeof ValidTransaction>;

/** An extrinsic whose call is known. */
export interface Known {
  readonly extrinsic: Extrinsic;
  readonly call: RuntimeCall;
  readonly info: DispatchInfo;
}

/** A signed extrinsic that was checked: who pays how much. */
export interface Payer {
  readonly who: Uint8Array;
  readonly account: AccountInfo;
  readonly signed: Signed;
  readonly fee: bigint;
}

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** The extrinsic that bytes spell (length prefix included), its call decoded; undefined when they spell none. */
export function read(calls: Calls, bytes: Uint8Array): Known | undefined {
  try {
    const extrinsic = decodeExtrinsic(bytes);
    const call = calls.Call.dec(extrinsic.call);
    return { extrinsic, call, info: infoOf(calls, extrinsic, call) };
  } catch (error) {
    // Bytes from outside: that they mean nothing is a result, not a fault.
    if (error instanceof ExtrinsicError || error instanceof CodecError) return undefined;
    throw error;
  }
}

function infoOf(calls: Calls, extrinsic: Extrinsic, call: RuntimeCall): DispatchInfo {
  return extrinsic.signed === undefined ? { ...calls.info(call), paysFee: false } : signedInfo(calls, call);
}

/** What dispatching a call costs when somebody signs it. */
export function signedInfo(calls: Calls, call: RuntimeCall): DispatchInfo {
  const info = calls.info(call);
  return { ...info, weight: plus(info.weight, SIGNATURE_WEIGHT) };
}

/** Checks everything about a signed extrinsic but its nonce's being due; throws ValidityFailure. */
export function checkSigned(chain: Chain, { extrinsic, info }: Known, signed: Signed): Payer {
  if (signed.address.type !== 'Id') throw unknownTransaction('CannotLookup');
  const who = signed.address.value;
  const system = chain.use(System).state;
  const birth = eraBirth(signed.extra.era, chain.block.number);
  const birthHash = system.BlockHash.get(birth);
  if (isZero(birthHash)) throw invalid('AncientBirthBlock');
  const payload = signingPayload(extrinsic.call, signed.extra, {
    specVersion: chain.spec.specVersion,
    transactionVersion: chain.spec.transactionVersion,
    genesisHash: system.BlockHash.get(0),
    birthHash,
  });
  if (!chain.host.verify(signed.signature, payload, who)) throw invalid('BadProof');
  if (isZero(who)) throw invalid('BadSigner');
  const account = system.Account.get(who);
  if (account.providers + account.sufficients === 0) throw invalid('Payment');
  if (signed.extra.nonce < account.nonce) throw invalid('Stale');
  const fee = totalFee(chain, info, extrinsic.bytes.length, signed.extra.tip);
  if (reducibleOf(chain, account, 'preserve') < fee) throw invalid('Payment');
  return { who, account, signed, fee };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Judges a bare call by its own rule; throws ValidityFailure. */
export function checkBare(chain: Chain, calls: Calls, call: RuntimeCall): BareValidity {
  const { pallet, rule } = calls.rule(call);
  if (rule.validate === undefined) throw unknownTransaction('NoUnsignedValidator');
  return rule.validate(chain.use(pallet.declared), call.value.value);
}

/** What the pool needs to know of a transaction in the next block; throws ValidityFailure. */
export function judge(chain: Chain, kernel: Kernel, known: Known): ValidTransaction {
  const { extrinsic, call, info } = known;
  checkFits(kernel, known);
  // Signed or bare, an inherent is its block's author's alone to say.
  if (info.class === 'Mandatory') throw invalid('MandatoryValidation');
  if (extrinsic.signed === undefined) {
    const { priority, requires, provides, longevity, propagate } = checkBare(chain, kernel.calls, call);
    return {
      priority,
      requires: [...(requires ?? [])],
      provides: [...provides],
      longevity: BigInt(longevity),
      propagate: propagate ?? true,
    };
  }
  const { who, account, signed } = checkSigned(chain, known, extrinsic.signed);
  const { nonce, era, tip } = signed.extra;
  const death = eraDeath(era, chain.block.number);
  return {
    priority: priorityOf(kernel, known, tip),
    requires: nonce > account.nonce ? [nonceTag(who, nonce - 1)] : [],
    provides: [nonceTag(who, nonce)],
    longevity: Number.isFinite(death) ? BigInt(death - chain.block.number) : U64_MAX,
    propagate: true,
  };
}

/** (account, nonce): what a signed transaction provides and the next one requires. */
export function nonceTag(who: Uint8Array, nonce: number): Uint8Array {
  return concat(who, littleEndian(BigInt(nonce), 4));
}

/** Refuses what could not enter an empty block. */
function checkFits({ limits, spec }: Kernel, { extrinsic, info }: Known): void {
  const { per_class } = limits;
  const limit = info.class === 'Operational' ? per_class.operational.max_extrinsic : per_class.normal.max_extrinsic;
  if (limit !== undefined && info.weight.ref_time > limit.ref_time) throw invalid('ExhaustsResources');
  if (extrinsic.bytes.length > spec.blockLength) throw invalid('ExhaustsResources');
}

/** Substrate's: the tip that a block full of such transactions would give, so that big ones must tip more. */
function priorityOf({ limits, spec }: Kernel, { extrinsic, info }: Known, tip: bigint): bigint {
  const limit = limits.per_class.normal.max_total?.ref_time ?? 0n;
  const byWeight = limit / (info.weight.ref_time > 0n ? info.weight.ref_time : 1n);
  const byLength = BigInt(Math.floor(spec.blockLength / extrinsic.bytes.length));
  return min(U64_MAX, (tip + 1n) * min(byWeight, byLength));
}
