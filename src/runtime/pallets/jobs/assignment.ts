/**
 * # Assignment: who trains what, decided by the state alone.
 *
 * Always true: after each block every author holds at least two minable fragments that are not yet claimed, so the chain
 * never halts for want of work; no call lets a miner choose his data (ECONOMY.md rule W).
 */
import { must } from '../../../base/assert.ts';
import { type Bytes, compare, equal } from '../../../base/bytes.ts';
import { fragmentId } from '../../../primitives/fragment.ts';
import { deadlineBlocks, workUnits } from '../../economy.ts';
import { ComputePowDeclared } from '../compute-pow.ts';
import { RewardsDeclared } from '../rewards.ts';
import { type Fragment, type JobSpec, type JobsScope, MAX_OPEN, type Round } from './state.ts';

/** Unclaimed fragments that an author always holds (DECISIONS.md section 1). */
const MINABLE = 2;
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

/** Fragments that a round hands out at once beyond overflow: five quarters of what it needs. */
function offered(job: JobSpec): number {
  return Math.floor((job.fragments_per_round * 5) / 4);
}

/** Puts a fragment on the agenda of a block. */
export function schedule(at: JobsScope, fragment: Fragment, id: Bytes, due: number): Fragment {
  at.state.Agenda.mutate(due, (list) => [...list, id]);
  return { ...fragment, due };
}

/** The fragment stops being minable when its replacement is two blocks old. */
export function endMining(at: JobsScope, id: Bytes): void {
  at.state.Ended.mutate(at.block.number + 2, (list) => [...list, id]);
}

/** Takes ended fragments out of their miners' lists. */
export function sweepEnded(at: JobsScope): void {
  for (const id of at.state.Ended.take(at.block.number)) {
    const fragment = at.state.Fragments.get(id);
    if (!fragment) continue;
    at.state.Open.mutate(fragment.miner, (list) => list.filter((other) => !equal(other, id)));
  }
}

/** Brings an author to one unclaimed real fragment, if a round has one to give, and to two minable ones. */
export function replenish(at: JobsScope, account: Bytes): void {
  if (!at.use(ComputePowDeclared).state.Authors.has(account)) return;
  const unclaimed = unclaimedOf(at, account);
  if (!unclaimed.some((fragment) => !fragment.overflow) && !isBlocked(at, account)) {
    const slot = freeSlot(at);
    if (slot) {
      assign(at, slot, account, false);
      unclaimed.push(unclaimed[0] as Fragment);
    }
  }
  for (let have = unclaimed.length; have < MINABLE; have++) {
    const job = overflowJob(at);
    if (job) assign(at, job, account, true);
  }
}

/** Offers the slots of a round that just opened to authors without a real fragment: the able first. */
export function offer(at: JobsScope): void {
  const authors = [...at.use(ComputePowDeclared).state.Authors.entries()]
    .filter(([account]) => !isBlocked(at, account) && !unclaimedOf(at, account).some((f) => !f.overflow))
    .map(([account, author]) => ({
      account,
      weight: author.capacity * at.use(RewardsDeclared).state.Reputation.get(account),
    }))
    .sort((a, b) => (a.weight === b.weight ? compare(a.account, b.account) : a.weight > b.weight ? -1 : 1));
  for (const { account } of authors) {
    const slot = freeSlot(at);
    if (!slot) return;
    assign(at, slot, account, false);
  }
}

/** Blocks of the fragment's deadline from its miner's capacity. */
function deadline(at: JobsScope, job: JobSpec, account: Bytes): number {
  const author = must(at.use(ComputePowDeclared).state.Authors.get(account), 'fragments are assigned to authors');
  return at.block.number + deadlineBlocks(jobWork(job, job.steps), author.capacity, at.spec.eraBlocks, DEADLINE_RANGE);
}

function isBlocked(at: JobsScope, account: Bytes): boolean {
  const author = at.use(ComputePowDeclared).state.Authors.get(account);
  return author === undefined || author.blocked_until > at.block.number;
}

function unclaimedOf(at: JobsScope, account: Bytes): Fragment[] {
  return at.state.Open.get(account)
    .map((id) => at.state.Fragments.get(id))
    .filter((fragment) => fragment !== undefined && fragment.status.type === 'Assigned') as Fragment[];
}

/** The open round that has waited longest for a miner. */
function freeSlot(at: JobsScope): Bytes | undefined {
  let best: { id: Bytes; openedAt: number } | undefined;
  for (const id of at.state.JobIds.get()) {
    const round = at.state.Rounds.get(id);
    const job = at.state.Jobs.get(id);
    if (!round || !job || round.phase.type !== 'Train') continue;
    if (round.outstanding + round.accepted.length >= offered(job)) continue;
    if (!best || round.opened_at < best.openedAt) best = { id, openedAt: round.opened_at };
  }
  return best?.id;
}

/** Overflow work goes to the youngest round in training: its base is the least likely to be superseded. */
function overflowJob(at: JobsScope): Bytes | undefined {
  let best: { id: Bytes; rank: number } | undefined;
  for (const id of at.state.JobIds.get()) {
    const round = at.state.Rounds.get(id);
    if (!round) continue;
    const rank = round.phase.type === 'Train' ? round.opened_at + 1 : 0;
    if (!best || rank > best.rank) best = { id, rank };
  }
  return best?.id;
}

function assign(at: JobsScope, jobId: Bytes, miner: Bytes, overflow: boolean): void {
  const job = must(at.state.Jobs.get(jobId), 'a round belongs to a job');
  const round = must(at.state.Rounds.get(jobId), 'a job has a round');
  const { r, randomness, theta } = round;
  const k = round.next_k;
  const next: Round = { ...round, next_k: k + 1, outstanding: round.outstanding + (overflow ? 0 : 1) };
  at.state.Rounds.put(jobId, next);
  const id = fragmentId({ job: jobId, r, k, randomness }, miner);
  const until = deadline(at, job, miner);
  const fragment: Fragment = {
    job: jobId,
    r,
    k,
    overflow,
    miner,
    theta,
    randomness,
    assigned_at: at.block.number,
    deadline: until,
    status: { type: 'Assigned' },
    due: until,
    claim: undefined,
    drawn: [],
    origin: NOTHING,
    operands: NOTHING,
    wins_opened: false,
    redraws: 0,
  };
  at.state.Fragments.put(id, schedule(at, fragment, id, until));
  at.state.ByRound.mutate(jobId, r, (list) => [...list, id]);
  at.state.Open.mutate(miner, (list) => [...list, id].slice(-MAX_OPEN));
  at.emit.Assigned({ fragment: id, miner, job: jobId, round: r, k });
}
