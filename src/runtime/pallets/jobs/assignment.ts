/**
 * # Assignment: who trains what, decided by the state alone.
 *
 * Always true: after each block every author holds at least two fragments to train that he has not claimed, so the
 * chain never halts for want of work; no call lets a miner choose his data (ECONOMY.md rule W).
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, compare, equal } from '../../../base/bytes.ts';
import { fragmentId } from '../../../primitives/fragment.ts';
import { deadlineBlocks, workUnits } from '../../economy.ts';
import { type Author, ComputePowDeclared } from '../compute-pow.ts';
import { reputationOf } from '../rewards.ts';
import {
  type Checker,
  type Fragment,
  fragmentOf,
  type JobSpec,
  type JobsScope,
  jobOf,
  MAX_OPEN,
  MAX_RECENT,
  roundOf,
} from './state.ts';

/** Unclaimed fragments that an author always holds (DECISIONS.md section 1). */
export const MINABLE = 2;
/** Blocks in which an ended fragment still wins: until its replacement is two blocks old (DECISIONS.md section 1). */
const GRACE_BLOCKS = 2;
/** Blocks for a fragment (DECISIONS.md section 5). */
const DEADLINE_RANGE: [number, number] = [60, 200];

const NOTHING = new Uint8Array(32);

const SLABS: readonly number[] = [256, 1_024, 2_048];

/** Positions of k per ticket in a profile (COMPUTE-POW.md). */
export function slabOf(profile: number): number {
  return must(SLABS[profile], `profile ${profile}`);
}

/** CU of `steps` steps of a job. */
export function jobWork(job: JobSpec, steps: number): bigint {
  return workUnits(job.mined_nodes, slabOf(job.profile), steps);
}

/** Slots of a round: five quarters of what it needs, so that one slow miner does not hold it up (rule W). */
function offered(job: JobSpec): number {
  return Math.floor((job.fragments_per_round * 5) / 4);
}

/** Whether blocks can be won on a state of this height with the fragment, if its miner holds it open. */
export function isMinable(fragment: Fragment, height: number): boolean {
  return fragment.ended === undefined || height < fragment.ended + GRACE_BLOCKS;
}

/** Writes a fragment and puts it on the agenda of block `due`, and on no other. */
export function schedule(at: JobsScope, id: Bytes, fragment: Fragment, due: number): void {
  unschedule(at, id, fragment);
  if (isChecking(fragment)) at.state.Checks.put(due, id, undefined);
  else at.state.Deadlines.put(due, id, undefined);
  at.state.Fragments.put(id, { ...fragment, due });
}

/** Takes a fragment off the agenda. */
export function unschedule({ state }: JobsScope, id: Bytes, { due }: Fragment): void {
  if (state.Checks.has(due, id)) state.Checks.delete(due, id);
  else if (state.Deadlines.has(due, id)) state.Deadlines.delete(due, id);
}

/** Lists an ended fragment among its miner's last ones; the oldest decided one makes room. */
export function remember(at: JobsScope, id: Bytes, miner: Bytes): void {
  const recent = at.state.Recent.get(miner);
  if (recent.length >= MAX_RECENT) {
    const decided = recent.findIndex((other) => !isChecking(fragmentOf(at, other)));
    recent.splice(Math.max(0, decided), 1);
  }
  at.state.Recent.put(miner, [...recent, id]);
}

/** Claimed, and waiting for a verdict. */
export function isChecking({ status }: Fragment): boolean {
  return status.type === 'Claimed' || status.type === 'Drawn' || status.type === 'Revealed';
}

/** The real fragment of a miner is his no more: he may be given another one. */
export function endTraining(at: JobsScope, id: Bytes, miner: Bytes): void {
  const training = at.state.Training.get(miner);
  if (training && equal(training, id)) at.state.Training.delete(miner);
}

/** Brings an author to one unclaimed real fragment, if a round has one to give, and to two unclaimed ones in all. */
export function replenish(at: JobsScope, account: Bytes): void {
  const author = at.use(ComputePowDeclared).state.Authors.get(account);
  if (!author) return;
  let unclaimed = unclaimedOf(at, account).length;
  const job = mayTrain(at, account, author) ? freeSlot(at) : undefined;
  if (job) {
    assign(at, job, account, author, false);
    unclaimed++;
  }
  for (; unclaimed < MINABLE; unclaimed++) {
    const spare = overflowJob(at);
    if (spare) assign(at, spare, account, author, true);
  }
}

/** Offers the free slots to authors without a real fragment: the able first, whoever has shown the least last. */
export function offer(at: JobsScope): void {
  if (!freeSlot(at)) return;
  const authors = [...at.use(ComputePowDeclared).state.Authors.entries()]
    .filter(([account, author]) => mayTrain(at, account, author))
    .map(([account, author]) => ({ account, author, weight: author.capacity * reputationOf(at, account) }))
    .sort((a, b) => (a.weight === b.weight ? compare(a.account, b.account) : a.weight > b.weight ? -1 : 1));
  for (const { account, author } of authors) {
    const job = freeSlot(at);
    if (!job) return;
    assign(at, job, account, author, false);
  }
}

function mayTrain(at: JobsScope, account: Bytes, author: Author): boolean {
  return author.blocked_until <= at.block.number && !at.state.Training.has(account);
}

/** The fragments that an author is to train. */
export function unclaimedOf(at: JobsScope, account: Bytes): { id: Bytes; fragment: Fragment }[] {
  return at.state.Open.get(account)
    .map((id) => ({ id, fragment: at.state.Fragments.get(id) }))
    .filter((one): one is { id: Bytes; fragment: Fragment } => one.fragment?.status.type === 'Assigned');
}

/** The open round that has waited longest for a miner. */
function freeSlot(at: JobsScope): Bytes | undefined {
  let best: { id: Bytes; openedAt: number } | undefined;
  for (const id of at.state.JobIds.get()) {
    const round = roundOf(at, id);
    if (round.phase.type !== 'Train') continue;
    if (round.outstanding + round.accepted.length >= offered(jobOf(at, id))) continue;
    if (!best || round.opened_at < best.openedAt) best = { id, openedAt: round.opened_at };
  }
  return best?.id;
}

/** Overflow work goes to the youngest round in training: its base is the least likely to be superseded. */
function overflowJob(at: JobsScope): Bytes | undefined {
  let best: { id: Bytes; rank: number } | undefined;
  for (const id of at.state.JobIds.get()) {
    const round = roundOf(at, id);
    const rank = round.phase.type === 'Train' ? round.opened_at + 1 : 0;
    if (!best || rank > best.rank) best = { id, rank };
  }
  return best?.id;
}

function assign(at: JobsScope, jobId: Bytes, miner: Bytes, author: Author, overflow: boolean): void {
  const job = jobOf(at, jobId);
  const round = roundOf(at, jobId);
  const { r, randomness, theta, next_k: k } = round;
  at.state.Rounds.put(jobId, { ...round, next_k: k + 1, outstanding: round.outstanding + (overflow ? 0 : 1) });
  const id = fragmentId({ job: jobId, r, k, randomness }, miner);
  const work = jobWork(job, job.steps);
  const deadline = at.block.number + deadlineBlocks(work, author.capacity, at.spec.eraBlocks, DEADLINE_RANGE);
  const fragment: Fragment = {
    job: jobId,
    r,
    k,
    overflow,
    miner,
    theta,
    randomness,
    assigned_at: at.block.number,
    deadline,
    status: { type: 'Assigned' },
    ended: undefined,
    due: deadline + 1,
    claim: undefined,
    drawn: [],
    reveal_by: 0,
    origin: NOTHING,
    operands: NOTHING,
    wins_opened: false,
    redraws: 0,
  };
  schedule(at, id, fragment, fragment.due);
  at.state.Open.put(miner, [...roomFor(at, at.state.Open.get(miner)), id]);
  if (!overflow) at.state.Training.put(miner, id);
  at.emit.Assigned({ fragment: id, miner, job: jobId, round: r, k });
}

/** The checkers in genesis order, without the miner's own account where there is another. */
export function checkersFor(at: JobsScope, miner: Bytes): Checker[] {
  const all = at.state.Checkers.get();
  const others = all.filter((checker) => !equal(checker.account, miner));
  return others.length > 0 ? others : all;
}

/** What stays open: what still wins, and of that the oldest ended ones go first where there is no room. */
function roomFor(at: JobsScope, open: readonly Bytes[]): Bytes[] {
  const known = open
    .map((id) => ({ id, fragment: at.state.Fragments.get(id) }))
    .filter(({ fragment }) => fragment !== undefined && isMinable(fragment, at.block.number));
  while (known.length >= MAX_OPEN) {
    const ended = known.findIndex(({ fragment }) => fragment?.ended !== undefined);
    known.splice(Math.max(0, ended), 1);
  }
  return known.map(({ id }) => id);
}
