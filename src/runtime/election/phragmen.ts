/**
 * # Sequential Phragmén: seats in proportion to stake, one at a time.
 *
 * Always true: the winners, their order, backing and the assignments are those of `seq_phragmen` of sp-npos-elections
 * without balancing (polkadot-sdk, substrate/primitives/npos-elections/src/phragmen.rs), rounding for rounding; they
 * do not depend on the order of the voters. A voter's edges sum exactly to his stake, their parts exactly to 10^9.
 *
 * The rule (Phragmén 1894; Brill, Freeman, Janson, Lackner 2017): a seat is a load of 1 that the stake behind it
 * carries evenly. Each round elects the candidate whose supporters would then carry the least per unit of stake.
 */
import { must } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { max, min, PERBILL } from '../../base/fixed.ts';
import { type Ballot, type Election, readBallots } from './ballots.ts';
import { normalise } from './normalise.ts';

/** Loads and scores are fractions of this: one seat on one base unit of stake. */
export const WHOLE = (1n << 128n) - 1n;

export interface Winner {
  readonly who: Bytes;
  /** The stake that the assignments give it; 0 without approval. */
  readonly backing: bigint;
}

export interface Edge {
  readonly who: Bytes;
  /** Base units, above 0. */
  readonly stake: bigint;
  /** The same in parts of 10^9 of the voter's stake; 0 if it is less than one of them. */
  readonly perbill: bigint;
}

export interface Assignment {
  readonly who: Bytes;
  /** In the order in which the voter approved. Voters without a winner, or with too little to divide, have none. */
  readonly edges: readonly Edge[];
}

/** Why a candidate won its round. */
export interface Round {
  readonly who: Bytes;
  /** The stake that approves it. */
  readonly approval: bigint;
  /** How many voters that is. */
  readonly supporters: number;
  /** base + carried, at most WHOLE: the lowest. Without approval there is none, and all who have one come before. */
  readonly score: bigint | undefined;
  /** What the seat itself puts on a unit of stake, floor(WHOLE/approval), and what earlier seats put there. */
  readonly base: bigint;
  readonly carried: bigint;
  /** The stake that each seat of these supporters has behind it now: 1/score, at most the approval. */
  readonly stakePerSeat: bigint;
  /** Who was next, and its score; equal scores go to who stands earlier in the list. */
  readonly runnerUp: { readonly who: Bytes; readonly score: bigint | undefined } | undefined;
}

export interface Outcome {
  /** In order of election. As many as there are seats, or candidates. */
  readonly winners: readonly Winner[];
  readonly assignments: readonly Assignment[];
  readonly rounds: readonly Round[];
}

/** Elects, or throws ElectionError. Bounds: ballots.ts. */
export function seqPhragmen(election: Election): Outcome {
  const { seats, candidates } = election;
  const { ballots, approval, supporters } = readBallots(election);
  const count = new Count(ballots, approval, supporters);
  const rounds: Round[] = [];
  const elected: number[] = [];
  while (elected.length < Math.min(seats, candidates.length)) {
    const { first, second } = count.lowest();
    const who = (candidate: number) => must(candidates[candidate], 'a candidate has a number');
    const score = count.score(first);
    rounds.push({
      who: who(first),
      approval: count.approval[first] as bigint,
      supporters: must(supporters[first], 'a candidate has supporters').length,
      score,
      base: count.base[first] as bigint,
      carried: count.carried[first] as bigint,
      stakePerSeat: score === undefined ? 0n : min(count.approval[first] as bigint, WHOLE / score),
      runnerUp: second === undefined ? undefined : { who: who(second), score: count.score(second) },
    });
    count.elect(first);
    elected.push(first);
  }

  const backing = candidates.map(() => 0n);
  const assignments: Assignment[] = [];
  for (const [i, ballot] of ballots.entries()) {
    const shares = count.shares(i);
    for (const [choice, stake] of shares) backing[choice] = (backing[choice] as bigint) + stake;
    if (shares.length === 0) continue;
    const perbill = partsOf(
      shares.map(([, stake]) => stake),
      ballot.stake,
    );
    const edges = shares.map(([choice, stake], k) => ({
      who: candidates[choice] as Bytes,
      stake,
      perbill: perbill[k] as bigint,
    }));
    assignments.push({ who: ballot.who, edges });
  }
  const winners = elected.map((n) => ({ who: candidates[n] as Bytes, backing: backing[n] as bigint }));
  return { winners, assignments, rounds };
}

/** The loads, while seats are given away. */
class Count {
  readonly approval: readonly bigint[];
  /** By candidate; 0 without approval. */
  readonly base: readonly bigint[];
  /**
   * By candidate: the sum over its voters of floor(load * stake / approval). Kept from round to round, so that a round
   * divides only for voters whose load it changed; anew it would be 320,000 divisions a round at 20,000 voters.
   */
  readonly carried: bigint[];
  private readonly ballots: readonly Ballot[];
  private readonly supporters: readonly (readonly number[])[];
  private readonly elected: boolean[];
  /** By ballot: its load, and by choice what is in `carried` for it and, once elected, what the seat added. */
  private readonly loads: bigint[];
  private readonly terms: bigint[][];
  private readonly edges: bigint[][];

  constructor(ballots: readonly Ballot[], approval: readonly bigint[], supporters: readonly (readonly number[])[]) {
    this.ballots = ballots;
    this.approval = approval;
    this.supporters = supporters;
    this.base = approval.map((stake) => (stake === 0n ? 0n : WHOLE / stake));
    this.carried = approval.map(() => 0n);
    this.elected = approval.map(() => false);
    this.loads = ballots.map(() => 0n);
    this.terms = ballots.map(({ choices }) => choices.map(() => 0n));
    this.edges = ballots.map(({ choices }) => choices.map(() => 0n));
  }

  /** Saturates as u128 does: only stakes of a few base units come near. */
  score(candidate: number): bigint | undefined {
    if (this.approval[candidate] === 0n) return undefined;
    return min(WHOLE, (this.base[candidate] as bigint) + (this.carried[candidate] as bigint));
  }

  /** The two candidates with the lowest scores; of equals the earlier. There is one at least. */
  lowest(): { first: number; second: number | undefined } {
    let first: number | undefined;
    let second: number | undefined;
    for (let n = 0; n < this.elected.length; n++) {
      if (this.elected[n]) continue;
      if (first === undefined || this.isBelow(n, first)) {
        second = first;
        first = n;
      } else if (second === undefined || this.isBelow(n, second)) second = n;
    }
    return { first: must(first, 'somebody is left to be elected'), second };
  }

  private isBelow(a: number, b: number): boolean {
    const [one, other] = [this.score(a), this.score(b)];
    return one !== undefined && (other === undefined || one < other);
  }

  /** Puts the seat on its supporters: all of them carry its score from now on. */
  elect(winner: number): void {
    const score = this.score(winner) ?? 0n;
    this.elected[winner] = true;
    for (const i of this.supporters[winner] as readonly number[]) {
      const { choices, stake } = this.ballots[i] as Ballot;
      const [terms, edges] = [this.terms[i] as bigint[], this.edges[i] as bigint[]];
      const weight = score * stake;
      for (let k = 0; k < choices.length; k++) {
        const choice = choices[k] as number;
        // A load may fall by a rounding; an edge is never less than nothing.
        if (choice === winner) edges[k] = max(0n, score - (this.loads[i] as bigint));
        if (this.elected[choice]) continue;
        const term = weight / (this.approval[choice] as bigint);
        this.carried[choice] = (this.carried[choice] as bigint) + term - (terms[k] as bigint);
        terms[k] = term;
      }
      this.loads[i] = score;
    }
  }

  /** How a ballot's stake is divided among its winners, by what each put on it: pairs of candidate and stake. */
  shares(i: number): [number, bigint][] {
    const { choices, stake } = this.ballots[i] as Ballot;
    const load = this.loads[i] as bigint;
    if (load === 0n) return [];
    const shares = choices
      .map((choice, k): [number, bigint] => [choice, (stake * ((this.edges[i] as bigint[])[k] as bigint)) / load])
      .filter(([, share]) => share > 0n);
    const exact = normalise(
      shares.map(([, share]) => share),
      stake,
    );
    return shares.map(([choice], k): [number, bigint] => [choice, exact[k] as bigint]).filter(([, part]) => part > 0n);
  }
}

/** Parts of 10^9 that sum to 10^9; what is less than one of them stays 0. */
function partsOf(stakes: readonly bigint[], whole: bigint): bigint[] {
  const parts = stakes.map((stake) => (stake * PERBILL) / whole);
  const exact = normalise(
    parts.filter((part) => part > 0n),
    PERBILL,
  );
  return parts.map((part) => (part > 0n ? must(exact.shift(), 'as many parts as were normalised') : 0n));
}
