/**
 * # Jobs, declared: what the chain keeps of jobs, rounds and fragments.
 *
 * Always true: everything that a seal, a checker or a merge is judged by stands here; no rule reads a blob.
 */
import { must } from '../../../base/assert.ts';
import {
  bool,
  fixed,
  hash,
  mapped,
  type Of,
  option,
  struct,
  u8,
  u32,
  u64,
  unit,
  variant,
  vec,
} from '../../../codec/index.ts';
import { event, pallet, type Scope } from '../../pallet.ts';
import { identity, map, twox64Concat, value } from '../../storage.ts';
import { AccountId } from '../../types.ts';

const PATH = 'pallet_jobs';
/** Segments of a fragment: each may be drawn, and what is drawn stands in one record. */
export const MAX_SEGMENTS = 256;
/** Fragments that a round can need. */
export const MAX_ACCEPTED = 64;
const named = (name: string) => ({ path: `${PATH}::${name}` });

const Gemm = struct({ m: u32, n: u32, k: u32 }, named('Gemm'));
const Knot = struct({ step: u32, bits: u32 }, named('Knot'));

export const JobSpec = struct(
  {
    /** Position among the public jobs. */
    index: u32,
    /** Blob of the ONNX step graph, and of its forward part with the loss. */
    step_graph: hash,
    eval_graph: hash,
    /** Blob of the initial weights. */
    init_root: hash,
    /** f32 bits of their held-out loss, which the first merge is measured by; 0 where nobody measured it. */
    init_loss: u32,
    /** Blobs of the packed training and held-out records. */
    dataset: hash,
    holdout: hash,
    record_bytes: u32,
    n_records: u32,
    n_holdout: u32,
    /** Trained parameters P. */
    params: u32,
    /** H: steps of a fragment; c: steps of a segment. */
    steps: u32,
    segment_steps: u32,
    batch: u32,
    profile: u8,
    /** Shapes of the mined nodes in graph order: a seal is checked by them. */
    mined_nodes: vec(Gemm, 512),
    lr_knots: vec(Knot, 64),
    /** f32 bits of the outer step (ENGINE.md section 16). */
    outer_lr: u32,
    outer_momentum: u32,
    fragments_per_round: u32,
    /** Blocks after genesis at which round 0 opens. */
    stagger: u32,
    /** How much worse, in parts of 10^6, the held-out loss may become before a round is rolled back. */
    gate_ppm: u32,
  },
  named('JobSpec'),
);
export type JobSpec = Of<typeof JobSpec>;

const RoundPhase = variant(
  {
    /** Opens at this block. */
    Waiting: u32,
    Train: unit,
    /** Closed at this block; the checkers compute the merge. */
    Merge: u32,
  },
  named('RoundPhase'),
);

export const Round = struct(
  {
    r: u32,
    phase: RoundPhase,
    opened_at: u32,
    randomness: hash,
    theta: hash,
    outer: hash,
    /** The k of the next fragment, real or overflow: no two fragments of a round share one. */
    next_k: u32,
    /** Real fragments that were assigned and have not ended. */
    outstanding: u32,
    accepted: vec(hash, MAX_ACCEPTED),
    rejected: u32,
    /** f32 bits of the held-out loss of theta; 0 before the first merge of a job without `init_loss`. */
    loss: u32,
  },
  named('Round'),
);
export type Round = Of<typeof Round>;

const Claim = struct({ transcript: hash, state_root: hash, delta: hash, at: u32 }, named('Claim'));

export const Drawn = struct(
  {
    segment: u32,
    checker: AccountId,
    /** Drawn because a block was won in it. */
    won: bool,
    /** Roots at both ends, known once revealed. */
    start_root: hash,
    end_root: hash,
    receipt: option(struct({ receipt: hash, at: u32 }, named('Receipt'))),
    verdict: option(bool),
    /** Of the operands that the checker found, shown with his verdict: who repeats the segment must find the same. */
    digest: option(hash),
  },
  named('Drawn'),
);
export type Drawn = Of<typeof Drawn>;

const FragmentStatus = variant(
  { Assigned: unit, Claimed: unit, Drawn: unit, Revealed: unit, Accepted: unit, Rejected: unit, Expired: unit },
  named('FragmentStatus'),
);
export type StatusName = Of<typeof FragmentStatus>['type'];

export const Fragment = struct(
  {
    job: hash,
    r: u32,
    k: u32,
    /** Beyond what the round offered: keeps its miner able to win blocks; checked and paid like any other. */
    overflow: bool,
    miner: AccountId,
    theta: hash,
    randomness: hash,
    assigned_at: u32,
    /** The last block that can take its claim. */
    deadline: u32,
    status: FragmentStatus,
    /** The block in which it was claimed or ran out: no blocks are won with it from the second one after that. */
    ended: option(u32),
    /** The block at which the chain looks at it again. */
    due: u32,
    claim: option(Claim),
    drawn: vec(Drawn, MAX_SEGMENTS),
    /** The last block that can take its reveal and its opened wins; 0 before the draw. */
    reveal_by: u32,
    /** S_0 as opened: the checker of the first drawn segment compares it with the round's weights. */
    origin: hash,
    /** Root of the operand tree, once revealed: wins open in it. */
    operands: hash,
    wins_opened: bool,
    /** Times a checker was replaced. */
    redraws: u8,
  },
  named('Fragment'),
);
export type Fragment = Of<typeof Fragment>;

const Outcome = variant({ Final: unit, Rollback: unit }, named('Outcome'));

export const RoundRecord = struct(
  {
    theta: hash,
    outer: hash,
    loss: u32,
    accepted: u32,
    rejected: u32,
    cu: u64,
    outcome: Outcome,
    block: u32,
  },
  named('RoundRecord'),
);
export type RoundRecord = Of<typeof RoundRecord>;

export const MergeVote = struct({ checker: AccountId, theta: hash, outer: hash, loss: u32 }, named('MergeVote'));
export const Checker = struct({ account: AccountId, compute_key: fixed(32) }, named('Checker'));
export type Checker = Of<typeof Checker>;

/** Fragments with which a miner may win blocks at once: at most three to train, and the last ones that ended. */
export const MAX_OPEN = 8;
/** Claimed fragments of one miner that may wait for a verdict at once: garbage cannot be claimed without end. */
export const MAX_CHECKING = 8;
/** A miner's ended fragments that are listed: what is being checked, and the last ones that were decided. */
export const MAX_RECENT = 16;

/** A block number whose keys sort as numbers do. */
const SortedHeight = mapped(fixed(4), {
  decode: (bytes) => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0),
  encode: (height: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, height);
    return bytes;
  },
});

const DUE = [
  identity(SortedHeight, 'sorted, so that what is due comes first'),
  identity(hash, 'an id is a hash'),
] as const;

export const JobsDeclared = pallet('Jobs', {
  index: 41,
  doc: 'Training jobs: rounds, assignment, claims, sampling, verdicts and merges.',
  storage: {
    JobIds: value('All jobs, in the order of their indexes.', vec(hash, 64), []),
    Jobs: map('What a job is; never changes.', identity(hash, 'an id is a hash of the job'), JobSpec),
    Rounds: map('The running round of a job.', identity(hash, 'an id is a hash of the job'), Round),
    Fragments: map('Fragments, until their round is forgotten.', identity(hash, 'an id is a hash'), Fragment),
    Open: map('Fragments with which a miner may win blocks.', AccountId, vec(hash, MAX_OPEN), []),
    Training: map('The real fragment that a miner is to train and has not claimed.', AccountId, hash),
    Recent: map('A miner’s last fragments that were claimed or missed.', AccountId, vec(hash, MAX_RECENT), []),
    Duties: map('Fragments of which a checker owes a verdict.', [AccountId, identity(hash, 'an id is a hash')], unit),
    Checks: map('Claimed fragments by the block at which the next check is due, the earliest first.', DUE, unit),
    Deadlines: map('All other fragments by the block at which they run out or are forgotten.', DUE, unit),
    Vacant: value('A round has slots that no miner was offered yet.', bool, false),
    MergeVotes: map(
      'What checkers computed for a closed round.',
      [identity(hash, 'an id is a hash of the job'), twox64Concat(u32, 'rounds are counted')],
      vec(MergeVote, 64),
      [],
    ),
    History: map(
      'How each round of a job ended.',
      [identity(hash, 'an id is a hash of the job'), twox64Concat(u32, 'rounds are counted')],
      RoundRecord,
    ),
    Checkers: value('The genesis checkers.', vec(Checker, 64), []),
  },
  events: {
    RoundOpened: event('A round began.', { job: hash, round: u32, theta: hash }),
    RoundClosed: event('A round has its fragments.', { job: hash, round: u32, accepted: u32 }),
    RoundEnded: event('A round was merged or rolled back.', {
      job: hash,
      round: u32,
      outcome: Outcome,
      loss: u32,
      accepted: u32,
      rejected: u32,
      cu: u64,
    }),
    Assigned: event('A miner got a fragment.', { fragment: hash, miner: AccountId, job: hash, round: u32, k: u32 }),
    Claimed: event('A miner finished a fragment.', { fragment: hash, miner: AccountId }),
    SegmentsDrawn: event('The beacon chose what is executed again.', { fragment: hash, segments: vec(u32) }),
    Revealed: event('A miner opened what was drawn.', { fragment: hash }),
    Accepted: event('All checks of a fragment agreed.', { fragment: hash, miner: AccountId }),
    Rejected: event('A check of a fragment failed.', { fragment: hash, miner: AccountId, segment: u32 }),
    Expired: event('A fragment ran out of time.', { fragment: hash, miner: AccountId }),
    CheckerReplaced: event('A silent checker’s segment went to another.', {
      fragment: hash,
      segment: u32,
      from: AccountId,
      to: AccountId,
    }),
  },
  errors: {
    NotRevealed: 'Wins are opened once the roots are revealed.',
  },
});
export type JobsScope = Scope<typeof JobsDeclared>;

/** A fragment that exists as long as whoever asks for it does: a bug otherwise. */
export function fragmentOf(at: JobsScope, id: Uint8Array): Fragment {
  return must(at.state.Fragments.get(id), 'a fragment that is referred to is kept');
}

/** The job of a fragment or round. */
export function jobOf(at: JobsScope, id: Uint8Array): JobSpec {
  return must(at.state.Jobs.get(id), 'a fragment and a round have a job');
}

/** The running round of a job. */
export function roundOf(at: JobsScope, id: Uint8Array): Round {
  return must(at.state.Rounds.get(id), 'a job has a round');
}
