/**
 * # Grandpa, declared: who votes on finality, and the proof that somebody voted twice.
 *
 * Always true: names, orders and shapes are those of Substrate's pallet; what is ours stands behind them.
 */
import type { Bytes } from '../../../base/bytes.ts';
import {
  boundedBytes,
  type Codec,
  fixed,
  hash,
  named,
  type Of,
  option,
  struct,
  tuple,
  u32,
  u64,
  unit,
  variant,
  vec,
} from '../../../codec/index.ts';
import { constant, event, pallet, type Scope } from '../../pallet.ts';
import { map, twox64Concat, value } from '../../storage.ts';

/** As many as a session has seats, and as a header of 16 KiB has room to name (docs/spec/wire.md). */
export const MAX_AUTHORITIES = 256;
/** Sets whose votes can still be told against their voters. */
export const MAX_SET_SESSIONS = 1_024;
/** A way of 36 bytes has at most 72 nodes. */
const MAX_NODES = 72;

/** An ed25519 key that votes. */
export const AuthorityId: Codec<Bytes> = named('sp_consensus_grandpa::app::Public', fixed(32));
export const Signature: Codec<Bytes> = named('sp_consensus_grandpa::app::Signature', fixed(64));
export const Authorities = vec(tuple(AuthorityId, u64), MAX_AUTHORITIES);
export type Authorities = Of<typeof Authorities>;

const blockParams = [
  { name: 'H', shape: hash.shape },
  { name: 'N', shape: u32.shape },
];

function equivocationOf(vote: string) {
  const Vote = struct(
    { target_hash: hash, target_number: u32 },
    { path: `finality_grandpa::${vote}`, params: blockParams },
  );
  const params = [
    { name: 'Id', shape: AuthorityId.shape },
    { name: 'V', shape: Vote.shape },
    { name: 'S', shape: Signature.shape },
  ];
  const Signed = tuple(Vote, Signature);
  return struct(
    { round_number: u64, identity: AuthorityId, first: Signed, second: Signed },
    { path: 'finality_grandpa::Equivocation', params },
  );
}

const Equivocation = variant(
  { Prevote: equivocationOf('Prevote'), Precommit: equivocationOf('Precommit') },
  { path: 'sp_consensus_grandpa::Equivocation', params: blockParams },
);

/** Two votes of one voter in one stage of a round, for different blocks. */
export const EquivocationProof = struct(
  { set_id: u64, equivocation: Equivocation },
  { path: 'sp_consensus_grandpa::EquivocationProof', params: blockParams },
);
export type EquivocationProof = Of<typeof EquivocationProof>;

/** Whose a key was in a session, as Substrate's `sp_session::MembershipProof`. */
export const KeyOwnerProof = struct(
  { session: u32, trie_nodes: vec(boundedBytes(4_096), MAX_NODES), validator_count: u32 },
  { path: 'sp_session::MembershipProof' },
);
export type KeyOwnerProof = Of<typeof KeyOwnerProof>;

const number = { name: 'N', shape: u32.shape };
const StoredPendingChange = struct(
  { scheduled_at: u32, delay: u32, next_authorities: Authorities, forced: option(u32) },
  { path: 'pallet_grandpa::StoredPendingChange', params: [number, { name: 'Limit' }] },
);
const Pending = struct({ scheduled_at: u32, delay: u32 });
const StoredState = variant(
  { Live: unit, PendingPause: Pending, Paused: unit, PendingResume: Pending },
  { path: 'pallet_grandpa::StoredState', params: [number] },
);

const countedByChain = 'sets are counted by the chain';

export const GrandpaDeclared = pallet('Grandpa', {
  index: 4,
  doc: 'Who votes on finality, and the proof that somebody voted twice.',
  constants: {
    MaxAuthorities: constant('The most voters of a set.', u32, () => MAX_AUTHORITIES),
    MaxSetIdSessionEntries: constant('Sets whose sessions are kept.', u64, () => BigInt(MAX_SET_SESSIONS)),
  },
  storage: {
    State: value('Always live: this chain neither pauses nor resumes its voters.', StoredState, {
      type: 'Live',
      value: undefined,
    }),
    PendingChange: value(
      'The set that follows, from when it is scheduled to when it takes effect.',
      StoredPendingChange,
    ),
    NextForced: value('Never set: no change is forced.', u32),
    Stalled: value('Never set: no change is forced.', tuple(u32, u32)),
    CurrentSetId: value('Changes of the set since genesis.', u64, 0n),
    SetIdSession: map('The last session of a set.', twox64Concat(u64, countedByChain), u32),
    Authorities: value('Who votes, with what weight.', Authorities, []),
    Equivocations: map(
      'Blocks in which voters of a set were shown to have voted twice.',
      [twox64Concat(u64, countedByChain), AuthorityId],
      u32,
    ),
  },
  events: {
    NewAuthorities: event('The set of voters changed.', { authority_set: Authorities }),
    Paused: event('Never: no set is paused.', {}),
    Resumed: event('Never: no set is paused.', {}),
    VotedTwice: event('A voter is shown to have voted twice in a round.', {
      authority: AuthorityId,
      set_id: u64,
      round: u64,
    }),
    VoteNoted: event('A voter is shown to have voted in this era.', {
      authority: AuthorityId,
      set_id: u64,
      round: u64,
    }),
  },
  errors: {
    PauseFailed: 'Never: no set is paused.',
    ResumeFailed: 'Never: no set is paused.',
    ChangePending: 'A change of the set is pending already.',
    TooSoon: 'Never: no change is forced.',
    InvalidKeyOwnershipProof: 'The proof does not show whose key it was in a session of that set.',
    InvalidEquivocationProof: 'The votes are not two of one voter that conflict, or a signature is not his.',
    DuplicateOffenceReport: 'This voter of this set was reported before.',
    ForcedChangeRefused: 'A set changes only with the votes of the one before, never by decree.',
  },
});
export type GrandpaScope = Scope<typeof GrandpaDeclared>;
