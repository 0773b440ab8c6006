/**
 * # Invariant: what holds of jobs and fragments after every block; for tests and for nodes that run with checks.
 *
 * Always true: reading only; every list and index here says the same as the fragments themselves.
 */
import { type Bytes, equal } from '../../../base/bytes.ts';
import { ComputePowDeclared } from '../compute-pow.ts';
import { isChecking, MINABLE, unclaimedOf } from './assignment.ts';
import { belongs } from './rounds.ts';
import type { Fragment, JobsScope } from './state.ts';

/** True, or what is broken. */
export function brokenJobs(at: JobsScope): string | true {
  if (at.state.JobIds.get().length === 0) return true;
  const fragments = [...at.state.Fragments.entries()];
  return (
    fragments.map(([id, fragment]) => brokenFragment(at, id, fragment)).find((fault) => fault !== undefined) ??
    brokenAgenda(at, fragments.length) ??
    brokenRounds(at, fragments) ??
    brokenAuthors(at) ??
    brokenDuties(at) ??
    true
  );
}

function brokenFragment(at: JobsScope, id: Bytes, fragment: Fragment): string | undefined {
  const { status, miner, overflow, ended, claim, due } = fragment;
  const listed = isChecking(fragment) ? at.state.Checks.has(due, id) : at.state.Deadlines.has(due, id);
  if (!listed) return 'a fragment that nobody will look at again';
  const has = (list: readonly Bytes[]): boolean => list.some((other) => equal(other, id));
  const isOpen = has(at.state.Open.get(miner));
  if (status.type === 'Assigned') {
    const training = at.state.Training.get(miner);
    if (!isOpen || ended !== undefined) return 'a fragment to train that is not open';
    if (overflow === (training !== undefined && equal(training, id))) return 'Training is not the real fragment';
  } else {
    if (ended === undefined) return 'a fragment that ended at no block';
    if (isChecking(fragment) && !has(at.state.Recent.get(miner))) return 'a claimed fragment that is not listed';
  }
  return isChecking(fragment) && claim === undefined ? 'checked without a claim' : undefined;
}

function brokenAgenda(at: JobsScope, fragments: number): string | undefined {
  let entries = 0;
  for (const [due, id] of [...at.state.Checks.keys(), ...at.state.Deadlines.keys()]) {
    if (at.state.Fragments.get(id)?.due !== due) return 'the agenda lists a fragment at another block than its own';
    entries++;
  }
  return entries === fragments ? undefined : 'the agenda does not list every fragment once';
}

function brokenRounds(at: JobsScope, fragments: readonly (readonly [Bytes, Fragment])[]): string | undefined {
  for (const job of at.state.JobIds.get()) {
    const round = at.state.Rounds.get(job);
    if (!round) return 'a job without a round';
    if (round.phase.type !== 'Train') continue;
    const real = fragments.filter(([, f]) => equal(f.job, job) && belongs(round, f) && !f.overflow);
    const open = real.filter(([, f]) => f.status.type === 'Assigned' || isChecking(f)).length;
    if (open !== round.outstanding) return `a round counts ${round.outstanding} fragments and has ${open}`;
  }
  return undefined;
}

function brokenAuthors(at: JobsScope): string | undefined {
  const pow = at.use(ComputePowDeclared).state;
  const fresh = pow.Wanting.get();
  for (const account of pow.Authors.keys()) {
    if (fresh.some((other) => equal(other, account))) continue;
    if (unclaimedOf(at, account).length < MINABLE) return 'an author with fewer than two fragments to train';
  }
  return undefined;
}

function brokenDuties(at: JobsScope): string | undefined {
  for (const [checker, id] of at.state.Duties.keys()) {
    const owed = at.state.Fragments.get(id)?.drawn.some((d) => d.verdict === undefined && equal(d.checker, checker));
    if (owed !== true) return 'a duty that nobody owes';
  }
  return undefined;
}
