/**
 * # Rounds: a job's model moves by merges, one round after the other.
 *
 * Always true: a round closes with the fragments it needs or at its deadline with at least one; whatever the merge
 * decides about the model, every accepted fragment of the round gets its certificate (ECONOMY.md rule P).
 */
import { assert, must } from '../../../base/assert.ts';
import { type Bytes, equal } from '../../../base/bytes.ts';
import type { Of } from '../../../codec/index.ts';
import { settledHeight } from '../../heights.ts';
import { hasCertificate, mintCertificate } from '../certificates.ts';
import { beaconAt } from '../compute-pow.ts';
import { jobWork } from './assignment.ts';
import {
  type Fragment,
  fragmentOf,
  type JobSpec,
  type JobsScope,
  jobOf,
  type MergeVote,
  type Round,
  type RoundRecord,
  roundOf,
} from './state.ts';

/**
 * A round that still lacks fragments closes after this many blocks with what it has: the longest deadline (200), and
 * 40 blocks for draw, reveal and verdicts, so that a slow miner's only fragment is merged too.
 */
const ROUND_BLOCKS = 240;
/** Checkers must agree on a merge within this many blocks, else the round is rolled back. */
const MERGE_BLOCKS = 20;

/** Opens, closes and rolls back what is due in this block. */
export function turnRounds(at: JobsScope): void {
  for (const id of at.state.JobIds.get()) {
    const round = roundOf(at, id);
    const since = at.block.number - round.opened_at;
    if (round.phase.type === 'Waiting' && at.block.number >= round.phase.value) openRound(at, id, round);
    else if (round.phase.type === 'Train' && since >= ROUND_BLOCKS) timeOut(at, id, round);
    else if (round.phase.type === 'Merge' && at.block.number > round.phase.value + MERGE_BLOCKS)
      rollBack(at, id, round);
  }
}

function openRound(at: JobsScope, id: Bytes, round: Round): void {
  const randomness = beaconAt(at, settledHeight(at.block.number, at.spec));
  at.state.Rounds.put(id, { ...round, phase: { type: 'Train' }, opened_at: at.block.number, randomness });
  at.state.Vacant.put(true);
  at.emit.RoundOpened({ job: id, round: round.r, theta: round.theta });
}

function timeOut(at: JobsScope, id: Bytes, round: Round): void {
  // Nothing accepted: the same round again under new randomness, so that unfinished work is not mistaken for it.
  if (round.accepted.length > 0) closeRound(at, id, round);
  else openRound(at, id, { ...round, outstanding: 0 });
}

/** A fragment was accepted; closes its round when that has what it needs, and pays it at once if it came too late. */
export function countAccepted(at: JobsScope, fragmentId: Bytes, fragment: Fragment): void {
  const round = roundOf(at, fragment.job);
  const job = jobOf(at, fragment.job);
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

/** A fragment ended without being accepted: if its round still trains, its slot is free again. */
export function countLost(at: JobsScope, fragment: Fragment, rejected: boolean): void {
  const round = roundOf(at, fragment.job);
  if (!belongs(round, fragment)) return;
  at.state.Rounds.put(fragment.job, {
    ...round,
    outstanding: round.outstanding - (fragment.overflow ? 0 : 1),
    rejected: round.rejected + (rejected ? 1 : 0),
  });
  if (!fragment.overflow) at.state.Vacant.put(true);
}

/** Of the running round, and not of an earlier attempt at it. */
export function belongs(round: Round, fragment: Fragment): boolean {
  return round.phase.type === 'Train' && round.r === fragment.r && equal(round.randomness, fragment.randomness);
}

function closeRound(at: JobsScope, id: Bytes, round: Round): void {
  const accepted = [...round.accepted].sort((a, b) => fragmentOf(at, a).k - fragmentOf(at, b).k);
  at.state.Rounds.put(id, { ...round, accepted, phase: { type: 'Merge', value: at.block.number } });
  at.emit.RoundClosed({ job: id, round: round.r, accepted: accepted.length });
}

/** Counts a checker's merge; ends the round when floor(V/2) + 1 of them agree. */
export function vote(at: JobsScope, id: Bytes, r: number, mine: Of<typeof MergeVote>): void {
  const round = roundOf(at, id);
  const votes = at.state.MergeVotes.mutate(id, r, (list) => [...list, mine]);
  const same = (v: Of<typeof MergeVote>): boolean =>
    equal(v.theta, mine.theta) && equal(v.outer, mine.outer) && v.loss === mine.loss;
  const needed = Math.floor(at.state.Checkers.get().length / 2) + 1;
  if (votes.filter(same).length < needed) return;
  if (!passesGate(round.loss, mine.loss, jobOf(at, id).gate_ppm)) rollBack(at, id, round);
  else endRound(at, id, round, { outcome: 'Final', theta: mine.theta, outer: mine.outer, loss: mine.loss });
}

interface Ending {
  readonly outcome: Of<typeof RoundRecord>['outcome']['type'];
  readonly theta: Bytes;
  readonly outer: Bytes;
  readonly loss: number;
}

/** The model stays what it was; who worked is paid all the same. */
function rollBack(at: JobsScope, id: Bytes, round: Round): void {
  const { theta, outer, loss } = round;
  endRound(at, id, round, { outcome: 'Rollback', theta, outer, loss });
}

function endRound(at: JobsScope, id: Bytes, round: Round, ending: Ending): void {
  const job = jobOf(at, id);
  assert(round.phase.type === 'Merge', 'a round ends after it closed');
  for (const fragmentId of round.accepted) mint(at, job, fragmentId, fragmentOf(at, fragmentId));
  const cu = jobWork(job, job.steps) * BigInt(round.accepted.length);
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

const INFINITY = 0x7f80_0000;

/**
 * Whether a merge may move the model, by held-out losses as f32 bits: `after` is a finite loss, and at most `gatePpm`
 * parts of 10^6 above `before`, which is 0 where there was none yet.
 */
export function passesGate(before: number, after: number, gatePpm: number): boolean {
  // The sign bit and everything from infinity on: no loss at all.
  if (after >= INFINITY) return false;
  return before === 0 || microLoss(after) * 1_000_000n <= microLoss(before) * BigInt(1_000_000 + gatePpm);
}

/** A non-negative finite f32, by its bits, in whole millionths. */
export function microLoss(bits: number): bigint {
  assert(bits < INFINITY, 'a finite loss');
  const exponent = bits >>> 23;
  const fraction = BigInt(bits & 0x7fffff);
  const mantissa = exponent === 0 ? fraction : fraction | 0x800000n;
  const shift = (exponent === 0 ? 1 : exponent) - 150;
  const scaled = mantissa * 1_000_000n;
  return shift >= 0 ? scaled << BigInt(shift) : scaled >> BigInt(-shift);
}
