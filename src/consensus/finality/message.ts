/**
 * # Messages of voters, and the memory of one, as SCALE bytes.
 *
 * Always true: a vote has the bytes of Substrate's gossip (round, set id, message, signature, key), and lists have a
 * bound that no honest voter passes.
 */
import {
  bool,
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
import type { BlockRef } from '../../state/store.ts';
import type { RoundState, SignedVote } from './round.ts';
import type { RoundRecord, VoterMemory } from './voter.ts';

// 2,048 voters, as many as a justification may name: two votes in each of two stages, and one proposal.
const MAX_VOTES = 4 * 2_048 + 1;
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
