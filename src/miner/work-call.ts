/**
 * # Work calls: claims, reveals, receipts and verdicts as bare extrinsics, signed by a compute key.
 *
 * Always true: the encoding comes from the pallets' own declarations, so a changed call changes here too.
 */
import { must } from '../base/assert.ts';
import { type Bytes, concat } from '../base/bytes.ts';
import { struct } from '../codec/index.ts';
import type { Keypair } from '../crypto/keypair.ts';
import { bareExtrinsic } from '../primitives/extrinsic.ts';
import type { CallRule, Declared, Fields, Pallet } from '../runtime/pallet.ts';
import { bareMessage, signedArgs } from '../runtime/pallets/bare.ts';
import { ComputePow } from '../runtime/pallets/compute-pow.ts';
import { Jobs } from '../runtime/pallets/jobs.ts';

/** A call of the Jobs pallet (`claim`, `reveal`, …) with its own arguments, without key and signature. */
export function jobsCall(
  name: string,
  args: Readonly<Record<string, unknown>>,
  signer: Keypair,
  genesis: Bytes,
): Bytes {
  return workCall(Jobs as unknown as Pallet, name, args, signer, genesis);
}

/** `ComputePow.register`. */
export function registerCall(args: Readonly<Record<string, unknown>>, signer: Keypair, genesis: Bytes): Bytes {
  return workCall(ComputePow as unknown as Pallet, 'register', args, signer, genesis);
}

function workCall(
  pallet: Pallet,
  name: string,
  args: Readonly<Record<string, unknown>>,
  signer: Keypair,
  genesis: Bytes,
): Bytes {
  const rule = must(pallet.calls[name], `${pallet.declared.name}.${name} exists`) as CallRule<Declared, Fields>;
  const { key: _key, signature: _signature, ...own } = rule.args;
  const keyed = { ...args, key: signer.publicKey };
  const signature = signer.sign(bareMessage(name, genesis, signedArgs(own).enc(keyed as never)));
  const encoded = struct(rule.args).enc({ ...keyed, signature } as never);
  return bareExtrinsic(concat(Uint8Array.of(pallet.declared.index, rule.index), encoded)).bytes;
}
