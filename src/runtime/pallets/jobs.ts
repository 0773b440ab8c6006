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
import { invalid } from '../errors.ts';
import { rules } from '../pallet.ts';
import { AccountId } from '../types.ts';
import { rw } from '../weights.ts';
import { bareCall, tag } from './bare.ts';
import { ComputePowDeclared, FIRST_BEACON } from './compute-pow.ts';
import { replenish, sweepEnded } from './jobs/assignment.ts';
import { turnRounds, vote } from './jobs/rounds.ts';
import { Checker, type Fragment, JobSpec, JobsDeclared, type JobsScope, type StatusName } from './jobs/state.ts';
import { claim, openWins, reveal, takeReceipt, takeVerdict, workAgenda } from './jobs/verification.ts';
import { RewardsDeclared } from './rewards.ts';

// Merkle paths of a reveal: 7 drawn segments of the dev job open 16 states at 5 hashes each.
const OPENING_PS = 200_000_000n;
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
      weight: rw(4, 3, 16n * OPENING_PS),
      args: { fragment: hash, rs: hash, rl: hash, rg: hash, states: vec(OpenState, 512) },
      judge(at: JobsScope, args) {
        return { key: minerKey(at, expect(at, args.fragment, 'Drawn')), subject: args.fragment };
      },
      run(at: JobsScope, args) {
        reveal(at, args.fragment, args);
      },
    }),
    open_wins: bareCall({
      name: 'open_wins',
      index: 2,
      doc: 'Opens the operands of every block that was won with a fragment.',
      weight: rw(4, 2, 16n * OPENING_PS),
      args: { fragment: hash, wins: vec(OpenWin, 1_024) },
      judge(at: JobsScope, args) {
        const fragment = expect(at, args.fragment, 'Drawn', 'Revealed');
        if (fragment.wins_opened) throw invalid('Stale');
        const requires = fragment.status.type === 'Drawn' ? [tag('reveal', args.fragment)] : [];
        return { key: minerKey(at, fragment), subject: args.fragment, requires };
      },
      run(at: JobsScope, args) {
        const fragment = at.some(at.state.Fragments.get(args.fragment), 'UnknownFragment');
        at.ensure(fragment.status.type === 'Revealed', 'WrongStatus');
        openWins(at, args.fragment, args.wins);
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
        if (!duty.receipt) throw invalid('Future');
        return { key: checkerKey(at, duty.checker), subject: subjectOf(args.fragment, args.segment) };
      },
      run(at: JobsScope, args) {
        const duty = expectDuty(at, args.fragment, args.segment);
        const { receipt, at: given } = at.some(duty.receipt, 'BadReceipt');
        at.ensure(at.block.number > given, 'TooEarly');
        at.ensure(equal(receiptOf(duty.checker, args.salt, args.digest), receipt), 'BadReceipt');
        takeVerdict(at, args.fragment, args.segment, args.accept);
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
    on_initialize(at) {
      sweepEnded(at);
      workAgenda(at);
      turnRounds(at);
      for (const account of at.use(ComputePowDeclared).state.Wanting.take()) replenish(at, account);
    },
    on_era(at, era) {
      updateCapacities(at, era);
    },
  },
  genesis: {
    config: { public_jobs: vec(JobSpec), checkers: vec(Checker) },
    build(at, { public_jobs, checkers }) {
      at.state.Checkers.put(checkers ?? []);
      for (const job of public_jobs ?? []) openJob(at, job);
      for (const account of at.use(ComputePowDeclared).state.Authors.keys()) replenish(at, account);
    },
  },
});

/** A genesis job: round 0 of the first is open at once, the others follow after their stagger. */
function openJob(at: JobsScope, job: Of<typeof JobSpec>): void {
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
    loss: 0,
  });
}

/** Capacity follows the accepted work of an era: three parts what it was, one part what was done. */
function updateCapacities(at: JobsScope, era: number): void {
  const { state } = at.use(ComputePowDeclared);
  for (const [[, who], cu] of at.use(RewardsDeclared).state.Minted.entries(era)) {
    const author = state.Authors.get(who);
    if (author) state.Authors.put(who, { ...author, capacity: (author.capacity * 3n + cu) / 4n });
  }
}

function expect(at: JobsScope, id: Bytes, ...statuses: readonly StatusName[]): Fragment {
  const fragment = at.state.Fragments.get(id);
  if (!fragment) throw invalid('Call');
  const place = ORDER.indexOf(fragment.status.type);
  if (statuses.includes(fragment.status.type)) return fragment;
  throw invalid(statuses.some((status) => ORDER.indexOf(status) > place) ? 'Future' : 'Stale');
}

/** Statuses in the order in which a fragment passes them. */
const ORDER: readonly StatusName[] = ['Assigned', 'Claimed', 'Drawn', 'Revealed', 'Accepted', 'Rejected', 'Expired'];

function expectDuty(at: JobsScope, id: Bytes, segment: number): Fragment['drawn'][number] {
  const duty = expect(at, id, 'Revealed').drawn.find((d) => d.segment === segment);
  if (!duty) throw invalid('Call');
  if (duty.verdict !== undefined) throw invalid('Stale');
  return duty;
}

function subjectOf(id: Bytes, number: number): Bytes {
  return concat(id, littleEndian(BigInt(number), 4));
}

function minerKey(at: JobsScope, fragment: Fragment): Bytes {
  const author = at.use(ComputePowDeclared).state.Authors.get(fragment.miner);
  if (!author) throw invalid('BadSigner');
  return author.compute_key;
}

function checkerKey(at: JobsScope, account: Bytes): Bytes {
  const checker = at.state.Checkers.get().find((other) => equal(other.account, account));
  if (!checker) throw invalid('BadSigner');
  return checker.compute_key;
}
