/**
 * # Election errors: why an election is refused before it is counted.
 *
 * Always true: a refusal depends on what is put to the vote alone, never on how the vote would end.
 */

export const ELECTION_FAULTS = {
  BadSeats: 'the number of seats is a whole number within the bound',
  TooManyCandidates: 'there are more candidates than an election may have',
  TooManyVoters: 'there are more voters than an election may have: take the richest (bags.ts)',
  TooManyApprovals: 'a voter approves more candidates than one may',
  DuplicateCandidate: 'a candidate stands twice',
  DuplicateVoter: 'a voter votes twice',
  DuplicateApproval: 'a voter approves a candidate twice',
  BadStake: 'a stake is an integer from 0 to 2^128 - 1',
  TooMuchStake: 'the stakes sum to more than the scores can tell apart',
} as const;

export type ElectionFault = keyof typeof ELECTION_FAULTS;

export class ElectionError extends Error {
  override readonly name = 'ElectionError';
  readonly code: ElectionFault;
  readonly data: string;

  constructor(code: ElectionFault, data: string) {
    super(`${ELECTION_FAULTS[code]} (${data})`);
    this.code = code;
    this.data = data;
  }
}
