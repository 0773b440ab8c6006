/**
 * # Endings: how a fragment ends, and what that does to its miner.
 *
 * Always true: a fragment ends once; what its won blocks earned is then paid or goes back to the pool, once; it is kept
 * for a while and then forgotten with all that refers to it. Nothing in this file fails.
 */
import { assert } from '../../../base/assert.ts';
import { type Bytes, equal } from '../../../base/bytes.ts';
import type { MapAccess } from '../../access.ts';
import type { AccountId } from '../../types.ts';
import { hasCertificate } from '../certificates.ts';
import { type Author, ComputePowDeclared, removeAuthor } from '../compute-pow.ts';
import { damage, forfeitAuthorPay, vestAuthorPay } from '../rewards.ts';
import { endTraining, remember, replenish, schedule, unclaimedOf, unschedule } from './assignment.ts';
import { countAccepted, countLost } from './rounds.ts';
import type { Fragment, JobsScope } from './state.ts';

/** Blocks for which an ended fragment is kept: longer than a round of 240 blocks and its merge. */
const KEPT_BLOCKS = 512;
/** Blocks for which one is kept that its miner never began: until nothing can be won with it any more. */
const KEPT_UNUSED_BLOCKS = 4;
/** A newcomer without accepted work lapses after 14 days of 24 eras (rule E). */
const PROBATION_ERAS = 14 * 24;
/** Eras of the longest block-out (rule W). */
const MAX_BLOCKED_ERAS = 168;
const NOT_OPENED = 'wins not opened';

/** All drawn segments were executed again with the same result. */
export function accept(at: JobsScope, id: Bytes, fragment: Fragment): void {
  const accepted: Fragment = { ...fragment, status: { type: 'Accepted' } };
  const { Authors } = at.use(ComputePowDeclared).state;
  const author = Authors.get(fragment.miner);
  if (author) Authors.put(fragment.miner, { ...author, accepted: author.accepted + 1, misses: 0, blocked_until: 0 });
  const waits = owesWins(at, id, fragment) && fragment.reveal_by >= at.block.number;
  // The miner may still open his wins until the block in which his reveal would have been due.
  if (waits) schedule(at, id, accepted, fragment.reveal_by + 1);
  else conclude(at, id, accepted, owesWins(at, id, fragment) ? NOT_OPENED : undefined);
  at.emit.Accepted({ fragment: id, miner: fragment.miner });
  countAccepted(at, id, accepted);
}

function owesWins(at: JobsScope, id: Bytes, fragment: Fragment): boolean {
  return !fragment.wins_opened && at.use(ComputePowDeclared).state.Wins.get(id).length > 0;
}

/** A checker found something else. */
export function reject(at: JobsScope, id: Bytes, fragment: Fragment, segment: number): void {
  clearDuties(at, id, fragment);
  conclude(at, id, { ...fragment, status: { type: 'Rejected' } }, 'fragment rejected');
  damage(at, fragment.miner, 'fraud');
  at.emit.Rejected({ fragment: id, miner: fragment.miner, segment });
  countLost(at, fragment, true);
}

/** Out of time. Overflow work that was never claimed costs nobody a reputation: nobody waited for it. */
export function expire(at: JobsScope, id: Bytes, fragment: Fragment): void {
  endUnpaid(at, id, fragment, 'fragment expired');
  if (!fragment.overflow || fragment.claim !== undefined) missed(at, fragment.miner);
  else lapseIfIdle(at, fragment.miner);
  replenish(at, fragment.miner);
}

/** The fragment is over without a verdict; `why` says what became of the pay of its won blocks. */
export function endUnpaid(at: JobsScope, id: Bytes, fragment: Fragment, why: string): void {
  clearDuties(at, id, fragment);
  const isTraining = fragment.claim === undefined;
  const ended = isTraining ? at.block.number : fragment.ended;
  const expired: Fragment = { ...fragment, status: { type: 'Expired' }, ended };
  const isUnused = isTraining && fragment.overflow && !owesWins(at, id, fragment);
  if (isTraining) endTraining(at, id, fragment.miner);
  if (isTraining && !isUnused) remember(at, id, fragment.miner);
  if (isUnused) schedule(at, id, expired, at.block.number + KEPT_UNUSED_BLOCKS);
  else conclude(at, id, expired, why);
  at.emit.Expired({ fragment: id, miner: fragment.miner });
  countLost(at, fragment, false);
}

/** A missed deadline blocks out, each time twice as long; a newcomer's second ends his registration (rules W, E). */
function missed(at: JobsScope, account: Bytes): void {
  const { Authors } = at.use(ComputePowDeclared).state;
  const author = Authors.get(account);
  if (!author) return;
  damage(at, account, 'timeout');
  const eras = Math.min(MAX_BLOCKED_ERAS, 2 ** Math.min(author.misses, 8));
  const { timeouts, misses } = author;
  const blocked_until = at.block.number + eras * at.spec.eraBlocks;
  Authors.put(account, { ...author, timeouts: timeouts + 1, misses: misses + 1, blocked_until });
  if (isNewcomer(author) && timeouts > 0) lapse(at, account);
}

/** A registration that showed nothing for 14 days ends (rule E): else idle identities would fill every agenda. */
function lapseIfIdle(at: JobsScope, account: Bytes): void {
  const author = at.use(ComputePowDeclared).state.Authors.get(account);
  if (!author || !isNewcomer(author)) return;
  if (at.block.number - author.registered_at > PROBATION_ERAS * at.spec.eraBlocks) lapse(at, account);
}

function isNewcomer({ genesis, accepted }: Author): boolean {
  return !genesis && accepted === 0;
}

function lapse(at: JobsScope, account: Bytes): void {
  removeAuthor(at, account);
  for (const { id, fragment } of unclaimedOf(at, account)) endUnpaid(at, id, fragment, 'registration lapsed');
}

/** Nobody owes a verdict on the fragment any more. */
export function clearDuties(at: JobsScope, id: Bytes, { drawn }: Fragment): void {
  for (const { checker, verdict } of drawn) if (verdict === undefined) at.state.Duties.delete(checker, id);
}

/** Settles the fragment's wins, paid where nothing speaks against it, and keeps it for a while. */
export function conclude(at: JobsScope, id: Bytes, ended: Fragment, fault: string | undefined): void {
  settleWins(at, id, ended.miner, fault);
  schedule(at, id, { ...ended, reveal_by: 0 }, at.block.number + KEPT_BLOCKS);
}

function settleWins(at: JobsScope, id: Bytes, miner: Bytes, fault: string | undefined): void {
  const { Wins } = at.use(ComputePowDeclared).state;
  const wins = Wins.get(id);
  const pay = wins.reduce((sum, win) => sum + win.pay, 0n);
  if (pay === 0n) return;
  if (fault === undefined) vestAuthorPay(at, miner, pay);
  else forfeitAuthorPay(at, miner, pay, fault);
  Wins.put(
    id,
    wins.map((win) => ({ ...win, pay: 0n })),
  );
}

/** Takes an ended fragment out of the state, unless something still waits for it. */
export function forget(at: JobsScope, id: Bytes, fragment: Fragment): void {
  const { Wins } = at.use(ComputePowDeclared).state;
  const isAccepted = fragment.status.type === 'Accepted';
  if (isAccepted && fragment.reveal_by > 0) {
    conclude(at, id, fragment, NOT_OPENED);
    return;
  }
  if (isAccepted && !hasCertificate(at, id)) {
    schedule(at, id, fragment, at.block.number + KEPT_BLOCKS);
    return;
  }
  assert(
    Wins.get(id).every((win) => win.pay === 0n),
    'what ended was paid or forfeited',
  );
  unschedule(at, id, fragment);
  at.state.Fragments.delete(id);
  Wins.delete(id);
  drop(at.state.Recent, fragment.miner, id);
  drop(at.state.Open, fragment.miner, id);
}

/** Takes one id out of an account's list; an empty list is no entry. */
function drop(lists: MapAccess<readonly [typeof AccountId], Bytes[], Bytes[]>, account: Bytes, id: Bytes): void {
  const left = lists.get(account).filter((other) => !equal(other, id));
  if (left.length > 0) lists.put(account, left);
  else lists.delete(account);
}
