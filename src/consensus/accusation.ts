/**
 * # Accusation: what a node found against a validator, as an extrinsic that anybody may send.
 *
 * Always true: an accusation carries its whole proof, so that it may be lost, repeated and sent by anybody.
 */
import { type Bytes, concat } from '../base/bytes.ts';
import { bytes, option, u64 } from '../codec/index.ts';
import { bareExtrinsic } from '../primitives/extrinsic.ts';
import type { SlotEquivocation } from '../primitives/slots.ts';
import { type EquivocationProof, KeyOwnerProof } from '../runtime/pallets/grandpa.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ChainStore } from '../state/store.ts';
import type { Equivocation, SignedVote } from './finality/round.ts';

/** The extrinsic that accuses an author of two headers in one slot. */
export function accusation(runtime: Pick<Runtime, 'Call'>, proof: SlotEquivocation): Bytes {
  const call = { type: 'Slots', value: { type: 'report_equivocation', value: { proof } } };
  return bareExtrinsic(runtime.Call.enc(call)).bytes;
}

/** The extrinsic that accuses a voter of two votes; undefined where the final state knows no owner of the key. */
export function voteAccusation(
  runtime: Pick<Runtime, 'Call' | 'call'>,
  store: Pick<ChainStore, 'settled' | 'view'>,
  { stage, round, setId, id, first, second }: Equivocation,
): Bytes | undefined {
  const { settled } = store;
  const view = store.view(settled.hash);
  if (view === undefined) return undefined;
  const question = concat(u64.enc(setId), id);
  const answer = runtime.call(view, 'GrandpaApi_generate_key_ownership_proof', question, settled);
  const owner = answer.ok ? option(bytes).dec(answer.output) : undefined;
  if (owner === undefined) return undefined;
  const signed = ({ target, signature }: SignedVote): [{ target_hash: Bytes; target_number: number }, Bytes] => [
    { target_hash: target.hash, target_number: target.number },
    signature,
  ];
  const votes = { round_number: round, identity: id, first: signed(first), second: signed(second) };
  const equivocation_proof: EquivocationProof = {
    set_id: setId,
    equivocation: { type: stage === 'prevote' ? 'Prevote' : 'Precommit', value: votes },
  };
  const args = { equivocation_proof, key_owner_proof: KeyOwnerProof.dec(owner) };
  const call = { type: 'Grandpa', value: { type: 'report_equivocation_unsigned', value: args } };
  return bareExtrinsic(runtime.Call.enc(call)).bytes;
}
