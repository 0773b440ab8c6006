/**
 * # Justification: what proves a block final, and what opens its ticket, each marked with its engine.
 *
 * Always true: a GRANDPA vote is signed over stage, target, round and set id, so that a vote of one round or one
 * authority set never counts in another. Bytes as in Substrate (finality-grandpa, sp_consensus_grandpa).
 */
import type { Bytes } from '../base/bytes.ts';
import { bytes, type Codec, fixed, hash, type Of, struct, tuple, u32, u64, variant, vec } from '../codec/index.ts';
import { Engined } from './digest.ts';
import { Header } from './header.ts';

// One per engine: `FRNK` and `pow_`.
const MAX_JUSTIFICATIONS = 8;

/** The engine id of GRANDPA: changes of the authority set, and proofs of finality. */
export const GRANDPA_ENGINE = 'FRNK';

/** Vec<([u8; 4], Vec<u8>)> */
export const Justifications: Codec<readonly Engined[]> = vec(Engined, MAX_JUSTIFICATIONS);
export type Justifications = readonly Engined[];

/** A block that a vote is for. */
export interface Target {
  readonly hash: Bytes;
  readonly number: number;
}
const Target: Codec<Target> = struct({ hash, number: u32 });

export interface SignedPrecommit {
  readonly precommit: Target;
  readonly signature: Bytes;
  /** The voter's ed25519 key. */
  readonly id: Bytes;
}

export interface GrandpaJustification {
  readonly round: bigint;
  readonly commit: { readonly target: Target; readonly precommits: readonly SignedPrecommit[] };
  /** Headers that connect the voted blocks to the target. */
  readonly votesAncestries: readonly Header[];
}

// Above the largest authority set in use anywhere; a justification names each voter once.
const MAX_PRECOMMITS = 2_048;
/** Headers of a proof. Its votes reach ahead of the target by the finality lag at most, below 64 blocks in health. */
export const MAX_ANCESTRY = 4_096;

const SignedPrecommit: Codec<SignedPrecommit> = struct({ precommit: Target, signature: fixed(64), id: fixed(32) });

/** What clients and warp sync read as a proof of finality. */
export const GrandpaJustification: Codec<GrandpaJustification> = struct({
  round: u64,
  commit: struct({ target: Target, precommits: vec(SignedPrecommit, MAX_PRECOMMITS) }),
  votesAncestries: vec(Header, MAX_ANCESTRY),
});

/** Headers that a proof of finality may have to bring. */
export const MAX_UNKNOWN_HEADERS = 8_192;

/** What `grandpa_proveFinality` answers: a justified block, and the headers from the one asked for up to it. */
export const FinalityProof = struct({
  block: hash,
  /** SCALE of the GrandpaJustification. */
  justification: bytes,
  unknownHeaders: vec(Header, MAX_UNKNOWN_HEADERS),
});
export type FinalityProof = Of<typeof FinalityProof>;

/** The first byte of what a voter signs. */
export const GRANDPA_STAGES = { prevote: 0, precommit: 1, primaryPropose: 2 } as const;
export type GrandpaStage = keyof typeof GRANDPA_STAGES;

const VoteMessage = tuple(variant({ prevote: Target, precommit: Target, primaryPropose: Target }), u64, u64);

/** What a voter signs: stage || hash || number u32 || round u64 || set id u64. */
export function voteMessage(stage: GrandpaStage, target: Target, round: bigint, setId: bigint): Bytes {
  return VoteMessage.enc([{ type: stage, value: target }, round, setId]);
}

/** What travels and is told is no longer than this: 256 precommits of 132 bytes, and headers on their way. */
export const MAX_PROOF_BYTES = 192 * 1024;

/** (ed25519 key, weight), in the order of the set. */
export const AuthorityList = vec(tuple(fixed(32), u64), MAX_PRECOMMITS);
export type AuthorityList = Of<typeof AuthorityList>;

const change = { next: AuthorityList, delay: u32 };

/** The `FRNK` consensus item of a header: changes of the authority set. */
export const GrandpaLog = variant({
  ScheduledChange: [1, struct(change)],
  ForcedChange: [2, struct({ median: u32, ...change })],
  OnDisabled: [3, u64],
  Pause: [4, u32],
  Resume: [5, u32],
});
export type GrandpaLog = Of<typeof GrandpaLog>;
