/**
 * # Messages of voters, and what one remembers, as SCALE bytes.
 *
 * Always true: a vote has the bytes of Substrate's gossip (round, set id, message, signature, key), and lists have a
 * bound that no honest voter passes.
 */
import {
  bool,
  boundedBytes,
  type Codec,
  fixed,
  hash,
  mapped,
  type Of,
  option,
  struct,
  tuple,
  u32,
  u64,
  variant,
  vec,
} from '../../codec/index.ts';
import { AuthorityList, MAX_PROOF_BYTES } from '../../primitives/justification.ts';
import { MAX_AUTHORITIES } from '../../runtime/pallets/grandpa/state.ts';
import type { BlockRef } from '../../state/store.ts';
import type { RoundState, SignedVote } from './round.ts';
import type { SetChange } from './set-changes.ts';
import type { RoundRecord, VoterMemory } from './voter.ts';

// Two votes in each of two stages, and one proposal: 150 KiB.
const MAX_VOTES = 4 * MAX_AUTHORITIES + 1;
// A vote in each stage, and a proposal.
const MAX_OWN = 3;

const Block: Codec<BlockRef> = struct({ hash, number: u32 });
const Said = variant({ prevote: Block, precommit: Block, primaryPropose: Block });

const Wire = tuple(u64, u64, Said, fixed(64), fixed(32));

export const SignedVoteCodec: Codec<SignedVote> = mapped(Wire, {
  decode: ([round, setId, said, signature, id]): SignedVote => {
    return { stage: said.type, target: said.value, round, setId, signature, id };
  },
  encode: ({ stage, target, round, setId, signature, id }): Of<typeof Wire> => {
    return [round, setId, { type: stage, value: target }, signature, id];
  },
});

/** What one who is behind is answered. */
export const RoundRecordCodec: Codec<RoundRecord> = struct({
  setId: u64,
  round: u64,
  votes: vec(SignedVoteCodec, MAX_VOTES),
});

const State: Codec<RoundState> = struct({
  ghost: option(Block),
  estimate: option(Block),
  finalized: option(Block),
  completable: bool,
});

/** What a voter's disk holds. */
export const VoterMemoryCodec: Codec<VoterMemory> = struct({
  setId: u64,
  round: u64,
  own: vec(SignedVoteCodec, MAX_OWN),
  before: struct({ record: RoundRecordCodec, state: State }),
});

/** What gadgets say to each other: `Vote` and `Proof` to all, the others to one peer. */
export const GadgetMessage = variant({
  /** `repeat`: the second in which it was said; gossip does not carry the same bytes twice within two minutes. */
  Vote: struct({ repeat: u32, vote: SignedVoteCodec }),
  Proof: struct({ setId: u64, bytes: boundedBytes(MAX_PROOF_BYTES) }),
  /** Asks for the record of this round or a later one. */
  AskCatchUp: struct({ setId: u64, round: u64 }),
  CatchUp: RoundRecordCodec,
  /** Asks for the proof of the block that ended this set: the asker takes it for this one. */
  AskProof: struct({ setId: u64, block: hash }),
});
export type GadgetMessage = Of<typeof GadgetMessage>;

const Change: Codec<SetChange> = struct({ end: u32, next: AuthorityList });

/** Sets whose ends are known by their id: who is further behind asks by the block. */
export const MAX_ENDS = 64;

/** Who votes now, what is scheduled at or below the last finalized block, and where the last sets ended. */
export const SetRecord = struct({
  setId: u64,
  authorities: AuthorityList,
  pending: option(Change),
  /** The newest last. */
  ends: vec(hash, MAX_ENDS),
});
export type SetRecord = Of<typeof SetRecord>;

/** The newest proof that this node has, for who asks what is final. */
export const LastProof = struct({ block: Block, setId: u64, bytes: boundedBytes(MAX_PROOF_BYTES) });
export type LastProof = Of<typeof LastProof>;
