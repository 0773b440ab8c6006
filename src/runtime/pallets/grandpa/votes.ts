/**
 * # Votes: one precommit of a validator, shown to the chain, so that it is not taken for silent (rule F).
 *
 * Always true: what is noted was signed by a key of the present set for a block of this chain and of this era, since
 * nobody knows the hash of a block before it stands; a validator is noted at most once an era. Whose vote it is and who
 * shows it are two: whoever heard it may.
 */
import { type Bytes, concat, equal, utf8 } from '../../../base/bytes.ts';
import { hash, u32, u64 } from '../../../codec/index.ts';
import { voteMessage } from '../../../primitives/justification.ts';
import type { Chain } from '../../chain.ts';
import { invalid } from '../../errors.ts';
import type { BareValidity, CallRule, Values } from '../../pallet.ts';
import { rw } from '../../weights.ts';
import { BARE_LONGEVITY } from '../bare.ts';
import { BLOCK_HASH_COUNT, System } from '../system.ts';
import { AuthorityId, type GrandpaDeclared, type GrandpaScope, Signature } from './state.ts';

/** Who is waited for, and who hears that he came: what this pallet asks of sessions and stake. */
export interface RollCall {
  /** Whoever holds a seat by this key in the block that is being made; undefined where nobody does. */
  awaited(at: Chain, key: Bytes): Awaited | undefined;
  /** He voted; told once for each validator and era. */
  note(at: Chain, validator: Bytes): void;
}

export interface Awaited {
  readonly validator: Bytes;
  /** The blocks of the era, the first and the last. */
  readonly first: number;
  readonly last: number;
  /** He was heard in it already. */
  readonly heard: boolean;
}

/** Where there are no seats. */
export const NOBODY_AWAITED: RollCall = { awaited: () => undefined, note() {} };

/** A signature of ed25519. */
const CHECK_PS = 200_000_000n;
/** Before any fee-paying transaction: seats bound their number. */
const PRIORITY = 1n << 62n;
const TAG = utf8('GrandpaVote');

const args = {
  set_id: u64,
  round: u64,
  target_hash: hash,
  target_number: u32,
  authority: AuthorityId,
  signature: Signature,
};
type Args = typeof args;

/** The call. */
export function noteVote(roll: RollCall): CallRule<typeof GrandpaDeclared, Args> {
  return {
    index: 3,
    doc: 'Shows a precommit of a validator of the present set for a block of this era: it is not silent.',
    args,
    weight: rw(12, 4, CHECK_PS),
    origin: 'bare',
    class: 'Operational',
    paysFee: false,
    validate: (at, vote) => judged(at, roll, vote),
    run(at, { set_id, round, authority }) {
      const { validator } = at.some(roll.awaited(at, authority), 'InvalidKeyOwnershipProof');
      roll.note(at, validator);
      at.emit.VoteNoted({ authority, set_id, round });
    },
  };
}

/** What is cheap to see comes first, the signature last: only the validator himself can make it worth looking at. */
function judged(at: GrandpaScope, roll: RollCall, vote: Values<Args>): BareValidity {
  const { set_id: setId, round, target_hash: target, target_number: number, authority, signature } = vote;
  // Another branch may have that set, or that block.
  if (setId !== at.state.CurrentSetId.get()) throw invalid('BadSigner');
  if (!isRecent(at, target, number)) throw invalid('AncientBirthBlock');
  if (!at.state.Authorities.get().some(([id]) => equal(id, authority))) throw invalid('BadSigner');
  const awaited = roll.awaited(at, authority);
  if (awaited === undefined) throw invalid('BadSigner');
  const { validator, first, last, heard } = awaited;
  if (heard || number < first) throw invalid('Stale');
  const message = voteMessage('precommit', { hash: target, number }, round, setId);
  if (!at.host.verifyEd25519(signature, message, authority)) throw invalid('BadProof');
  const now = at.block.number;
  return {
    priority: PRIORITY,
    provides: [concat(TAG, u32.enc(first), validator)],
    // Not beyond the era, nor beyond the hashes that the state keeps.
    longevity: Math.min(BARE_LONGEVITY, last - now + 1, number + BLOCK_HASH_COUNT - now + 1),
  };
}

/** Whether this is a block of this chain, by the hashes that the state keeps: all are below the one being made. */
function isRecent(at: GrandpaScope, target: Bytes, number: number): boolean {
  const { BlockHash } = at.use(System).state;
  return BlockHash.has(number) && equal(BlockHash.get(number), target);
}
