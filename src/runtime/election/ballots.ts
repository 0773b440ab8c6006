/**
 * # Ballots: what is put to the vote, checked and numbered.
 *
 * Always true: a counted ballot has a stake above 0 and approves at least one candidate that stands, each once; the
 * stakes that approve a candidate sum to its approval. Votes for who does not stand are dropped, as sp-npos-elections
 * does: a candidate may retire after the vote. Anything else that is out of order is refused, never mended.
 */
import { type Bytes, compare, equal, toHex } from '../../base/bytes.ts';
import { ElectionError } from './errors.ts';

/** A round reads every candidate once; there are at most this many rounds. */
export const MAX_SEATS = 256;
export const MAX_CANDIDATES = 4_096;
/** With MAX_APPROVALS it bounds the time of an election: 120 divisions a voter at worst (docs/spec/staking.md). */
export const MAX_VOTERS = 32_768;
/** As MaxNominations of Polkadot. */
export const MAX_APPROVALS = 16;
/**
 * The largest sum of stakes. A score is a fraction of 2^128 - 1 and is off by at most one per voter, hence by at most
 * 2^(96 + 15 - 128) of itself. 2^96 is 10^7 times the largest supply of our chains.
 */
export const MAX_STAKE = 1n << 96n;

const MAX_U128 = (1n << 128n) - 1n;

export interface Voter {
  readonly who: Bytes;
  /** Base units. */
  readonly stake: bigint;
  /** Accounts, at most MAX_APPROVALS, each once; in the order that the voter gave, which settles roundings. */
  readonly approves: readonly Bytes[];
}

export interface Election {
  readonly seats: number;
  /** Of two with equal scores the one that comes first wins. */
  readonly candidates: readonly Bytes[];
  readonly voters: readonly Voter[];
}

export interface Ballot {
  readonly who: Bytes;
  readonly stake: bigint;
  /** Numbers of candidates. */
  readonly choices: readonly number[];
}

export interface Ballots {
  readonly ballots: readonly Ballot[];
  /** By candidate: the stake that approves it. */
  readonly approval: readonly bigint[];
  /** By candidate: the numbers of the ballots that approve it. */
  readonly supporters: readonly (readonly number[])[];
}

/** The ballots of an election; ElectionError where it is out of order. */
export function readBallots({ seats, candidates, voters }: Election): Ballots {
  demandAtMost(seats, MAX_SEATS, 'BadSeats');
  demandAtMost(candidates.length, MAX_CANDIDATES, 'TooManyCandidates');
  demandAtMost(voters.length, MAX_VOTERS, 'TooManyVoters');
  const standing = byAccount(candidates);
  refuseTwins(candidates, standing, 'DuplicateCandidate');
  const accounts = voters.map(({ who }) => who);
  refuseTwins(accounts, byAccount(accounts), 'DuplicateVoter');

  const ballots: Ballot[] = [];
  const approval = candidates.map(() => 0n);
  const supporters = candidates.map((): number[] => []);
  let total = 0n;
  for (const voter of voters) {
    const choices = choicesOf(voter, candidates, standing);
    total += voter.stake;
    if (total > MAX_STAKE) throw new ElectionError('TooMuchStake', `${total} > ${MAX_STAKE}`);
    if (voter.stake === 0n || choices.length === 0) continue;
    for (const choice of choices) {
      approval[choice] = (approval[choice] as bigint) + voter.stake;
      supporters[choice]?.push(ballots.length);
    }
    ballots.push({ who: voter.who, stake: voter.stake, choices });
  }
  return { ballots, approval, supporters };
}

function choicesOf({ who, stake, approves }: Voter, candidates: readonly Bytes[], standing: readonly number[]) {
  if (stake < 0n || stake > MAX_U128) throw new ElectionError('BadStake', `${toHex(who)}: ${stake}`);
  demandAtMost(approves.length, MAX_APPROVALS, 'TooManyApprovals');
  const choices: number[] = [];
  const strangers: Bytes[] = [];
  for (const approved of approves) {
    const found = find(approved, candidates, standing);
    const twice =
      found === undefined ? strangers.some((stranger) => equal(stranger, approved)) : choices.includes(found);
    if (twice) throw new ElectionError('DuplicateApproval', toHex(who));
    if (found === undefined) strangers.push(approved);
    else choices.push(found);
  }
  return choices;
}

function demandAtMost(
  count: number,
  most: number,
  fault: 'BadSeats' | `TooMany${'Candidates' | 'Voters' | 'Approvals'}`,
) {
  if (!Number.isInteger(count) || count < 0 || count > most)
    throw new ElectionError(fault, `${count}, at most ${most}`);
}

/** The numbers of the accounts in ascending order of the accounts. */
function byAccount(accounts: readonly Bytes[]): number[] {
  return accounts.map((_, i) => i).sort((a, b) => compare(accounts[a] as Bytes, accounts[b] as Bytes));
}

function refuseTwins(accounts: readonly Bytes[], order: readonly number[], fault: `Duplicate${'Candidate' | 'Voter'}`) {
  for (let i = 1; i < order.length; i++) {
    const account = accounts[order[i] as number] as Bytes;
    if (equal(account, accounts[order[i - 1] as number] as Bytes)) throw new ElectionError(fault, toHex(account));
  }
}

// By halves and not by a hash of ours: accounts ground to share a prefix cost a few bytes of comparison, no more.
function find(account: Bytes, candidates: readonly Bytes[], order: readonly number[]): number | undefined {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const number = order[middle] as number;
    const side = compare(candidates[number] as Bytes, account);
    if (side === 0) return number;
    if (side < 0) low = middle + 1;
    else high = middle;
  }
  return undefined;
}
