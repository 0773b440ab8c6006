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
import type { BlockRef, ChainStore } from '../state/store.ts';
import type { StateTree } from '../state/tree.ts';
import type { Equivocation, SignedVote } from './finality/round.ts';

/** Two votes of a voter in one stage of a round, or two headers of an author in one slot. */
export type DoubleProof = Equivocation | SlotEquivocation;

/** So many final blocks are looked through for a state of a set: as many as pruned nodes keep. */
const MAX_BACK = 256;

/** The extrinsic that accuses whom a proof names; undefined where no kept state knows whose the key was. */
export function accusationOf(
  runtime: Pick<Runtime, 'Call' | 'call'>,
  store: Pick<ChainStore, 'settled' | 'view' | 'canonical'>,
  proof: DoubleProof,
): Bytes | undefined {
  return 'stage' in proof ? voteAccusation(runtime, store, proof) : accusation(runtime, proof);
}

/** The extrinsic that accuses an author of two headers in one slot. */
export function accusation(runtime: Pick<Runtime, 'Call'>, proof: SlotEquivocation): Bytes {
  const call = { type: 'Slots', value: { type: 'report_equivocation', value: { proof } } };
  return bareExtrinsic(runtime.Call.enc(call)).bytes;
}

/** The extrinsic that accuses a voter of two votes; undefined where no kept state of the set knows the key's owner. */
export function voteAccusation(
  runtime: Pick<Runtime, 'Call' | 'call'>,
  store: Pick<ChainStore, 'settled' | 'view' | 'canonical'>,
  { stage, round, setId, id, first, second }: Equivocation,
): Bytes | undefined {
  const block = blockOfSet(runtime, store, setId);
  if (block === undefined) return undefined;
  const answer = runtime.call(
    block.view,
    'GrandpaApi_generate_key_ownership_proof',
    concat(u64.enc(setId), id),
    block.at,
  );
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

/**
 * The last final block in whose state a set votes. What a set said in its last round may be seen as double only when
 * its end is final, and more after that: then the state of the last final block knows the next set alone.
 */
function blockOfSet(
  runtime: Pick<Runtime, 'call'>,
  store: Pick<ChainStore, 'settled' | 'view' | 'canonical'>,
  setId: bigint,
): { readonly at: BlockRef; readonly view: StateTree } | undefined {
  for (let { number } = store.settled; number >= Math.max(0, store.settled.number - MAX_BACK); number--) {
    const hash = store.canonical(number);
    const view = hash && store.view(hash);
    if (hash === undefined || view === undefined) return undefined;
    const at = { hash, number };
    const answer = runtime.call(view, 'GrandpaApi_current_set_id', new Uint8Array(0), at);
    const present = answer.ok ? u64.dec(answer.output) : undefined;
    if (present === undefined || present < setId) return undefined;
    if (present === setId) return { at, view };
  }
  return undefined;
}
