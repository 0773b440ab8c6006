/**
 * # Voters: who votes, kept by bags so that an election takes the richest without sorting anybody.
 *
 * Always true: whoever validates or nominates stands in the list once, in the bag of his stake; while an election takes
 * its voters nobody moves, so that no stake is taken twice: who would have moved does so afterwards.
 */
import { type Bytes, concat, equal, littleEndian } from '../../../base/bytes.ts';
import { bagOf } from '../../election/bags.ts';
import type { StakingScope } from './state.ts';

/** Voters that move in a block once an election has taken its voters. */
const MOVED_PER_BLOCK = 64;
const TOP = 0xffff;

/** Highest bags first, then first come: big-endian, since the state is in the order of its keys. */
function keyOf(bag: number, count: bigint): Bytes {
  return concat(bigEndian(BigInt(TOP - bag), 2), bigEndian(count, 8));
}

function bigEndian(value: bigint, size: number): Bytes {
  return littleEndian(value, size).reverse();
}

/** Puts an account in the list where its stake and its vote belong, now or once nobody is being taken. */
export function placeVoter(at: StakingScope, account: Bytes): void {
  if (at.state.Election.get()?.phase.type === 'Voters') at.state.Moving.put(account, undefined);
  else move(at, account);
}

/** The account neither validates nor votes any more; false where it did neither. */
export function retire(at: StakingScope, account: Bytes): boolean {
  const [validates, votes] = [at.state.Validators.has(account), at.state.Nominators.has(account)];
  if (!validates && !votes) return false;
  if (validates) {
    at.state.Validators.delete(account);
    at.state.CounterForValidators.mutate((n) => n - 1);
  }
  if (votes) {
    at.state.Nominators.delete(account);
    at.state.CounterForNominators.mutate((n) => n - 1);
  }
  placeVoter(at, account);
  at.emit.Chilled({ stash: account });
  return true;
}

/** Moves those who had to wait: at most MOVED_PER_BLOCK. Returns how many. */
export function moveWaiting(at: StakingScope): number {
  if (at.state.Election.get()?.phase.type === 'Voters') return 0;
  const waiting = at.state.Moving.page(MOVED_PER_BLOCK);
  for (const [account] of waiting) {
    at.state.Moving.delete(account);
    move(at, account);
  }
  return waiting.length;
}

function move(at: StakingScope, account: Bytes): void {
  const before = at.state.VoterKeys.get(account);
  const stake = at.state.Ledger.get(account)?.active ?? 0n;
  const votes = stake > 0n && (at.state.Validators.has(account) || at.state.Nominators.has(account));
  const bag = bagOf(stake);
  if (before !== undefined && votes && equal(before.subarray(0, 2), keyOf(bag, 0n).subarray(0, 2))) return;
  if (before !== undefined) {
    at.state.Voters.delete(before);
    at.state.VoterKeys.delete(account);
  }
  if (votes) {
    const count = at.state.NextVoter.get();
    at.state.NextVoter.put(count + 1n);
    at.state.Voters.put(keyOf(bag, count), account);
    at.state.VoterKeys.put(account, keyOf(bag, count));
  }
  at.state.CounterForVoters.mutate((n) => n + Number(votes) - Number(before !== undefined));
}
