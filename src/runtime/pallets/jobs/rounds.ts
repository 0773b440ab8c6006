/**
 * # Rounds: a job's model moves by merges, one round after the other.
 *
 * Always true: a round closes with the fragments it needs or at its deadline with at least one; whatever the merge
 * decides about the model, every accepted fragment of the round gets its certificate (ECONOMY.md rule P).
 */
import { assert, must } from '../../../base/assert.ts';
import { type Bytes, equal } from '../../../base/bytes.ts';
import type { Of } from '../../../codec/index.ts';
import { hasCertificate, mintCertificate } from '../certificates.ts';
import { beaconAt, ComputePowDeclared } from '../compute-pow.ts';
import { jobWork, offer } from './assignment.ts';
import type { Fragment, JobSpec, JobsScope, MergeVote, Round, RoundRecord } from './state.ts';

/** A round without enough fragments closes after this many blocks with what it has: 2 deadlines of a quick miner. */
const ROUND_BLOCKS = 120;
/** Checkers must agree on a merge within this many blocks, else the round is rolled back. */
const MERGE_BLOCKS = 20;
/** Rounds whose fragments are kept after they ended: what a late checker or a curious reader may still ask for. */
const KEPT_ROUNDS = 8;

/** Opens, closes and rolls back what is due in this block. */
export function turnRounds(at: JobsScope): void {
  for (const id of at.state.JobIds.get()) {
    const round = must(at.state.Rounds.get(id), 'a job has a round');
    const since = at.block.number - round.opened_at;
    if (round.phase.type === 'Waiting' && at.block.number >= round.phase.value) openRound(at, id, round);
    else if (round.phase.type === 'Train' && since >= ROUND_BLOCKS) timeOut(at, id, round);
    else if (round.phase.type === 'Merge' && at.block.number > round.phase.value + MERGE_BLOCKS) {
      endRound(at, id, round, { outcome: 'Rollback', theta: round.theta, outer: round.outer, loss: round.loss });
    }
  }
}

function openRound(at: JobsScope, id: Bytes, round: Round): void {
  const settled = at.block.number - at.spec.settleDepth;
  const randomness = beaconAt(at, settled);
  at.state.Rounds.put(id, { ...round, phase: { type: 'Train' }, opened_at: at.block.number, randomness });
  at.emit.RoundOpened({ job: id, round: round.r, theta: round.theta });
  offer(at);
}

function timeOut(at: JobsScope, id: Bytes, round: Round): void {
  // Nothing accepted: the same round again under new randomness, so that unfinished work is not mistaken for it.
  if (round.accepted.length > 0) closeRound(at, id, round);
  else openRound(at, id, { ...round, outstanding: 0 });
}

/** A fragment of the running round was accepted; closes the round when it has what it needs. */
export function countAccepted(at: JobsScope, fragmentId: Bytes, fragment: Fragment): void {
  const round = must(at.state.Rounds.get(fragment.job), 'a job has a round');
  const job = must(at.state.Jobs.get(fragment.job), 'a fragment has a job');
  if (!belongs(round, fragment)) {
    mint(at, job, fragmentId, fragment);
    return;
  }
  const accepted = [...round.accepted, fragmentId];
  const outstanding = round.outstanding - (fragment.overflow ? 0 : 1);
  const next = { ...round, accepted, outstanding };
  if (accepted.length >= job.fragments_per_round) closeRound(at, fragment.job, next);
  else at.state.Rounds.put(fragment.job, next);
}

/** A fragment of the running round ended without being accepted: its slot is free again. */
export function countLost(at: JobsScope, fragment: Fragment, rejected: boolean): void {
  const round = must(at.state.Rounds.get(fragment.job), 'a job has a round');
  if (!belongs(round, fragment)) return;
  at.state.Rounds.put(fragment.job, {
    ...round,
    outstanding: round.outstanding - (fragment.overflow ? 0 : 1),
    rejected: round.rejected + (rejected ? 1 : 0),
  });
}

function belongs(round: Round, fragment: Fragment): boolean {
  return round.phase.type === 'Train' && round.r === fragment.r && equal(round.randomness, fragment.randomness);
}

function closeRound(at: JobsScope, id: Bytes, round: Round): void {
  const order = (fragment: Bytes): number => must(at.state.Fragments.get(fragment), 'accepted fragments are kept').k;
  const accepted = [...round.accepted].sort((a, b) => order(a) - order(b));
  at.state.Rounds.put(id, { ...round, accepted, phase: { type: 'Merge', value: at.block.number } });
  at.emit.RoundClosed({ job: id, round: round.r, accepted: accepted.length });
}

/** Counts a checker's merge; ends the round when floor(V/2) + 1 of them agree. */
export function vote(at: JobsScope, id: Bytes, r: number, mine: Of<typeof MergeVote>): void {
  const round = must(at.state.Rounds.get(id), 'judged before');
  const votes = at.state.MergeVotes.mutate(id, r, (list) => [...list, mine]);
  const same = (v: Of<typeof MergeVote>): boolean =>
    equal(v.theta, mine.theta) && equal(v.outer, mine.outer) && v.loss === mine.loss;
  const needed = Math.floor(at.state.Checkers.get().length / 2) + 1;
  if (votes.filter(same).length < needed) return;
  const job = must(at.state.Jobs.get(id), 'a round belongs to a job');
  const passes = round.loss === 0 || withinGate(round.loss, mine.loss, job.gate_ppm);
  if (passes) endRound(at, id, round, { outcome: 'Final', theta: mine.theta, outer: mine.outer, loss: mine.loss });
  else endRound(at, id, round, { outcome: 'Rollback', theta: round.theta, outer: round.outer, loss: round.loss });
}

interface Ending {
  readonly outcome: Of<typeof RoundRecord>['outcome']['type'];
  readonly theta: Bytes;
  readonly outer: Bytes;
  readonly loss: number;
}

function endRound(at: JobsScope, id: Bytes, round: Round, ending: Ending): void {
  const job = must(at.state.Jobs.get(id), 'a round belongs to a job');
  assert(round.phase.type === 'Merge', 'a round ends after it closed');
  let cu = 0n;
  for (const fragmentId of round.accepted) {
    const fragment = must(at.state.Fragments.get(fragmentId), 'accepted fragments are kept');
    mint(at, job, fragmentId, fragment);
    cu += jobWork(job, job.steps);
  }
  const { theta, outer, loss } = ending;
  const outcome = { type: ending.outcome } as const;
  const record = { accepted: round.accepted.length, rejected: round.rejected, cu, outcome };
  at.state.History.put(id, round.r, { theta, outer, loss, ...record, block: at.block.number });
  at.emit.RoundEnded({ job: id, round: round.r, loss, ...record });
  at.state.MergeVotes.delete(id, round.r);
  at.state.Rounds.put(id, {
    ...round,
    r: round.r + 1,
    phase: { type: 'Waiting', value: at.block.number + 1 },
    theta,
    outer,
    loss,
    next_k: 0,
    outstanding: 0,
    accepted: [],
    rejected: 0,
  });
  if (round.r >= KEPT_ROUNDS) forget(at, id, round.r - KEPT_ROUNDS);
}

function forget(at: JobsScope, id: Bytes, r: number): void {
  const wins = at.use(ComputePowDeclared).state.Wins;
  for (const fragment of at.state.ByRound.take(id, r)) {
    const status = at.state.Fragments.get(fragment)?.status.type;
    if (status === 'Accepted' || status === 'Rejected' || status === 'Expired') {
      at.state.Fragments.delete(fragment);
      wins.delete(fragment);
    } else {
      // Still being trained or checked: its pay is undecided, so it is forgotten with the next round.
      at.state.ByRound.mutate(id, r + 1, (list) => [...list, fragment]);
    }
  }
}

function mint(at: JobsScope, job: JobSpec, id: Bytes, fragment: Fragment): void {
  assert(!hasCertificate(at, id), 'a fragment is paid once');
  const claim = must(fragment.claim, 'accepted fragments were claimed');
  mintCertificate(at, {
    job: fragment.job,
    round: fragment.r,
    fragment: id,
    miner: fragment.miner,
    cu: jobWork(job, job.steps),
    kind: 0,
    input_root: fragment.theta,
    output_root: claim.state_root,
    verification: {
      segments: fragment.drawn.map((d) => d.segment),
      checkers: fragment.drawn.map((d) => d.checker),
      receipts: fragment.drawn.map((d) => must(d.receipt, 'a verdict follows its receipt').receipt),
    },
    block: at.block.number,
  });
}

/** Whether a held-out loss (f32 bits) is at most `gatePpm` parts of 10^6 above the one before. */
export function withinGate(before: number, after: number, gatePpm: number): boolean {
  return microLoss(after) * 1_000_000n <= microLoss(before) * BigInt(1_000_000 + gatePpm);
}

/** A non-negative finite f32, by its bits, in whole millionths; anything else counts as beyond any gate. */
export function microLoss(bits: number): bigint {
  const exponent = (bits >>> 23) & 0xff;
  if (bits >>> 31 !== 0 || exponent === 0xff) return 1n << 160n;
  const fraction = BigInt(bits & 0x7fffff);
  const mantissa = exponent === 0 ? fraction : fraction | 0x800000n;
  const shift = (exponent === 0 ? 1 : exponent) - 150;
  const scaled = mantissa * 1_000_000n;
  return shift >= 0 ? scaled << BigInt(shift) : scaled >> BigInt(-shift);
}
