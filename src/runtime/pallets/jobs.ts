/**
 * # Jobs: training jobs from genesis to merged models (docs/spec/fragment.md).
 *
 * Always true: a fragment is claimed, checked and paid at most once; what a call may do follows from the state alone; a
 * job's model moves only by a merge on which a majority of the checkers agree.
 */
import { type Bytes, concat, equal, littleEndian, utf8 } from '../../base/bytes.ts';
import { bool, fixed, hash, type Of, struct, u32, vec } from '../../codec/index.ts';
import { blake2_256 } from '../../crypto/hash.ts';
import { receiptOf } from '../../primitives/fragment.ts';
import { ConfigError } from '../config.ts';
import { capacityAfter, fitsProfile } from '../economy.ts';
import { invalid } from '../errors.ts';
import { rules } from '../pallet.ts';
import { AccountId } from '../types.ts';
import { rw } from '../weights.ts';
import { BARE_FAULTS, bareCall } from './bare.ts';
import { ComputePowDeclared, FIRST_BEACON, MAX_WINS } from './compute-pow.ts';
import { workAgenda } from './jobs/agenda.ts';
import { offer, replenish, slabOf } from './jobs/assignment.ts';
import { brokenJobs } from './jobs/invariant.ts';
import { turnRounds, vote } from './jobs/rounds.ts';
import {
  Checker,
  type Fragment,
  JobSpec,
  JobsDeclared,
  type JobsScope,
  MAX_ACCEPTED,
  MAX_CHECKING,
  MAX_SEGMENTS,
  type StatusName,
} from './jobs/state.ts';
import { takeReceipt, takeVerdict } from './jobs/verdicts.ts';
import { checkingOf, claim, matchesClaim, opensDrawn, opensWins, openWins, reveal } from './jobs/verification.ts';
import { RewardsDeclared } from './rewards.ts';

// One Merkle path: at most 13 hashes of the dev job's 2,700 operand pairs, 2 us each with the plain hash.
const OPENING_PS = 30_000_000n;
const Path = vec(hash, 32);
const OpenState = struct({ index: u32, root: hash, path: Path }, { path: 'pallet_jobs::OpenState' });
const OpenWin = struct(
  { step: u32, node: u32, root_a: hash, root_b: hash, path: Path },
  { path: 'pallet_jobs::OpenWin' },
);

/** The id of a job is the hash of what it is. */
export function jobId(job: Of<typeof JobSpec>): Bytes {
  return blake2_256(concat(utf8('cpow/1/job'), JobSpec.enc(job)));
}

export const Jobs = rules(JobsDeclared, {
  calls: {
    claim: bareCall({
      name: 'claim',
      index: 0,
      doc: 'Commits to the transcript, the last state and the delta of a finished fragment.',
      weight: rw(8, 8),
      args: { fragment: hash, transcript: hash, state_root: hash, delta: hash },
      judge(at: JobsScope, args) {
        const fragment = expect(at, args.fragment, 'Assigned');
        if (at.block.number > fragment.deadline) throw invalid('Stale');
        if (checkingOf(at, fragment.miner) >= MAX_CHECKING) throw invalid('Future');
        return { key: minerKey(at, fragment), subject: args.fragment };
      },
      run(at: JobsScope, args) {
        claim(at, args.fragment, args);
      },
    }),
    reveal: bareCall({
      name: 'reveal',
      index: 1,
      doc: 'Opens the roots and the states at both ends of every drawn segment.',
      weight: ({ states }) => rw(6, 8, BigInt(states.length) * OPENING_PS),
      args: { fragment: hash, rs: hash, rl: hash, rg: hash, states: vec(OpenState, MAX_SEGMENTS + 1) },
      judge(at: JobsScope, args) {
        const fragment = expect(at, args.fragment, 'Drawn');
        if (at.block.number > fragment.reveal_by) throw invalid('Stale');
        return { key: minerKey(at, fragment), subject: args.fragment };
      },
      inspect(at, args) {
        const fragment = expect(at, args.fragment, 'Drawn');
        if (!matchesClaim(at, fragment, args)) throw invalid(BARE_FAULTS.BadTranscript);
        if (!opensDrawn(at, fragment, args)) throw invalid(BARE_FAULTS.BadOpening);
      },
      run(at: JobsScope, args) {
        reveal(at, args.fragment, args);
      },
    }),
    open_wins: bareCall({
      name: 'open_wins',
      index: 2,
      doc: 'Opens the operands of every block that was won with a fragment.',
      weight: ({ wins }) => rw(6, 6, BigInt(wins.length) * OPENING_PS),
      args: { fragment: hash, wins: vec(OpenWin, MAX_WINS) },
      judge(at: JobsScope, args) {
        const fragment = expect(at, args.fragment, 'Revealed', 'Accepted');
        if (fragment.wins_opened || at.block.number > fragment.reveal_by) throw invalid('Stale');
        return { key: minerKey(at, fragment), subject: args.fragment };
      },
      inspect(at, args) {
        const fragment = expect(at, args.fragment, 'Revealed', 'Accepted');
        if (!opensWins(at, args.fragment, fragment, args.wins)) throw invalid(BARE_FAULTS.BadOpening);
      },
      run(at: JobsScope, args) {
        openWins(at, args.fragment);
      },
    }),
    receipt: bareCall({
      name: 'receipt',
      index: 3,
      doc: 'Binds a checker to the operands that he found, before his verdict.',
      weight: rw(4, 2),
      args: { fragment: hash, segment: u32, receipt: hash },
      judge(at: JobsScope, args) {
        const duty = expectDuty(at, args.fragment, args.segment);
        if (duty.receipt) throw invalid('Stale');
        return { key: checkerKey(at, duty.checker), subject: subjectOf(args.fragment, args.segment) };
      },
      run(at: JobsScope, args) {
        takeReceipt(at, args.fragment, args.segment, args.receipt);
      },
    }),
    verdict: bareCall({
      name: 'verdict',
      index: 4,
      doc: 'Says whether a segment, executed again, ended where its miner said; shows the digest behind the receipt.',
      weight: rw(8, 8),
      args: { fragment: hash, segment: u32, accept: bool, digest: hash, salt: fixed(32) },
      judge(at: JobsScope, args) {
        const duty = expectDuty(at, args.fragment, args.segment);
        if (!duty.receipt || duty.receipt.at >= at.block.number) throw invalid('Future');
        return { key: checkerKey(at, duty.checker), subject: subjectOf(args.fragment, args.segment) };
      },
      inspect(at, args) {
        const { checker, receipt } = expectDuty(at, args.fragment, args.segment);
        const bound = receiptOf(checker, args.salt, args.digest);
        if (!receipt || !equal(bound, receipt.receipt)) throw invalid(BARE_FAULTS.BadReceipt);
      },
      run(at: JobsScope, { fragment, segment, accept, digest }) {
        takeVerdict(at, fragment, segment, { accept, digest });
      },
    }),
    merge: bareCall({
      name: 'merge',
      index: 5,
      doc: 'A checker’s merge of a closed round: new weights, outer momentum and held-out loss.',
      weight: rw(8, 8),
      args: { job: hash, r: u32, theta: hash, outer: hash, loss: u32, account: AccountId },
      judge(at: JobsScope, args) {
        const round = at.state.Rounds.get(args.job);
        if (!round || args.r < round.r) throw invalid('Stale');
        if (args.r > round.r || round.phase.type !== 'Merge') throw invalid('Future');
        const said = at.state.MergeVotes.get(args.job, args.r);
        if (said.some((other) => equal(other.checker, args.account))) throw invalid('Stale');
        const subject = concat(subjectOf(args.job, args.r), args.account);
        return { key: checkerKey(at, args.account), subject };
      },
      run(at: JobsScope, args) {
        vote(at, args.job, args.r, { checker: args.account, theta: args.theta, outer: args.outer, loss: args.loss });
      },
    }),
  },
  hooks: {
    // With 1,000 authors and 3 jobs: 0.3 ms in a quiet block, 10 ms where 64 fragments run out and are replaced, 15 ms
    // where a round opens (docs/spec/fragment.md, Bounds).
    on_initialize(at) {
      workAgenda(at);
      turnRounds(at);
      if (at.state.Vacant.take()) offer(at);
      for (const account of at.use(ComputePowDeclared).state.Wanting.take()) replenish(at, account);
    },
    on_era(at, era) {
      updateCapacities(at, era);
    },
  },
  genesis: {
    config: { public_jobs: vec(JobSpec), checkers: vec(Checker) },
    build(at, { public_jobs, checkers }) {
      if (public_jobs.length > 0 && checkers.length === 0) throw new ConfigError('jobs.checkers', 'nobody checks');
      at.state.Checkers.put(checkers);
      public_jobs.forEach((job, index) => {
        openJob(at, { ...job, index });
      });
      if (public_jobs.length === 0) return;
      offer(at);
      for (const account of at.use(ComputePowDeclared).state.Authors.keys()) replenish(at, account);
    },
  },
  invariant: brokenJobs,
});

/** A genesis job: round 0 of the first is open at once, the others follow after their stagger. */
function openJob(at: JobsScope, job: JobSpec): void {
  const fault = faultOf(job, at.spec.profile);
  if (fault !== undefined) throw new ConfigError(`jobs.publicJobs[${job.index}]`, fault);
  const id = jobId(job);
  at.state.JobIds.mutate((ids) => [...ids, id]);
  at.state.Jobs.put(id, job);
  at.state.Rounds.put(id, {
    r: 0,
    phase: job.stagger === 0 ? { type: 'Train' } : { type: 'Waiting', value: job.stagger },
    opened_at: 0,
    randomness: FIRST_BEACON,
    theta: job.init_root,
    outer: new Uint8Array(32),
    next_k: 0,
    outstanding: 0,
    accepted: [],
    rejected: 0,
    loss: job.init_loss,
  });
}

/** Batches that a data set holds at least: fewer, and a fragment would see the same records again (rule J). */
const LEAST_BATCHES = 64;

/** Why a job cannot be run on a chain of this profile. */
function faultOf(job: JobSpec, profile: number): string | undefined {
  const segments = job.steps / job.segment_steps;
  if (!Number.isInteger(segments) || segments < 1 || segments > MAX_SEGMENTS) return 'steps are no whole segments';
  if (job.profile !== profile) return 'the profile is not that of the chain';
  if (!job.mined_nodes.some((node) => fitsProfile(node, slabOf(profile)))) return 'no node can be mined';
  const { fragments_per_round: needed } = job;
  if (needed < 1 || needed > MAX_ACCEPTED) return `fragmentsPerRound is not in 1 .. ${MAX_ACCEPTED}`;
  return job.n_records < LEAST_BATCHES * job.batch ? `fewer than ${LEAST_BATCHES} batches of records` : undefined;
}

/** Capacity is what an author gets accepted in an era: at first what he just did, then a moving average. */
function updateCapacities(at: JobsScope, era: number): void {
  const { state } = at.use(ComputePowDeclared);
  for (const [[, who], cu] of at.use(RewardsDeclared).state.Minted.entries(era)) {
    const author = state.Authors.get(who);
    if (!author) continue;
    const idle = author.measured_era === undefined ? undefined : era - author.measured_era - 1;
    state.Authors.put(who, { ...author, capacity: capacityAfter(author.capacity, idle, cu), measured_era: era });
  }
}

function expect(at: JobsScope, id: Bytes, ...statuses: readonly StatusName[]): Fragment {
  const fragment = at.state.Fragments.get(id);
  // Not known here and now: another branch may have it, or have had it.
  if (!fragment) throw invalid('Future');
  const place = ORDER.indexOf(fragment.status.type);
  if (statuses.includes(fragment.status.type)) return fragment;
  throw invalid(statuses.some((status) => ORDER.indexOf(status) > place) ? 'Future' : 'Stale');
}

/** Statuses in the order in which a fragment passes them. */
const ORDER: readonly StatusName[] = ['Assigned', 'Claimed', 'Drawn', 'Revealed', 'Accepted', 'Rejected', 'Expired'];

function expectDuty(at: JobsScope, id: Bytes, segment: number): Fragment['drawn'][number] {
  const duty = expect(at, id, 'Revealed').drawn.find((d) => d.segment === segment);
  if (!duty) throw invalid('Stale');
  if (duty.verdict !== undefined) throw invalid('Stale');
  return duty;
}

function subjectOf(id: Bytes, number: number): Bytes {
  return concat(id, littleEndian(BigInt(number), 4));
}

function minerKey(at: JobsScope, fragment: Fragment): Bytes {
  const author = at.use(ComputePowDeclared).state.Authors.get(fragment.miner);
  if (!author) throw invalid('Stale');
  return author.compute_key;
}

function checkerKey(at: JobsScope, account: Bytes): Bytes {
  const checker = at.state.Checkers.get().find((other) => equal(other.account, account));
  if (!checker) throw invalid('BadSigner');
  return checker.compute_key;
}
