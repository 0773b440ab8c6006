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
import { Terms } from './terms.ts';

/** Loads and scores are fractions of this: one seat on one base unit of stake. */
export const WHOLE = (1n << 128n) - 1n;
/** The round of who is not elected, and of a load of 0. */
const NONE = -1;

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
    const edges: Edge[] = [];
    const { choices, stakes } = count.shares(i);
    const parts = partsOf(stakes, ballot.stake);
    for (const [k, choice] of choices.entries()) {
      const stake = stakes[k] as bigint;
      if (stake === 0n) continue;
      backing[choice] = (backing[choice] as bigint) + stake;
      edges.push({ who: candidates[choice] as Bytes, stake, perbill: parts[k] as bigint });
    }
    if (edges.length > 0) assignments.push({ who: ballot.who, edges });
  }
  const winners = elected.map((n) => ({ who: candidates[n] as Bytes, backing: backing[n] as bigint }));
  return { winners, assignments, rounds };
}

/** The loads, while seats are given away. A load is the score of a round: the last one that elected for the ballot. */
class Count {
  readonly approval: readonly bigint[];
  /** By candidate; 0 without approval. */
  readonly base: readonly bigint[];
  /** By candidate: the sum over its voters of floor(load * stake / approval). */
  readonly carried: bigint[];
  private readonly ballots: readonly Ballot[];
  private readonly supporters: readonly (readonly number[])[];
  /** By candidate: base + carried. Saturates as u128 does: only stakes of a few base units come near. */
  private readonly scores: (bigint | undefined)[];
  /** By candidate: the round that elected it, or NONE; and the score of each round. */
  private readonly electedIn: Int16Array;
  private readonly loads: bigint[] = [];
  /** By ballot: the round whose score is its load, and where its choices begin in `choices`, one more at the end. */
  private readonly loadedIn: Int16Array;
  private readonly begins: Uint32Array;
  /** Of all ballots: the candidate, and where it is elected, the round whose score was the load before. */
  private readonly choices: Uint16Array;
  private readonly loadedBefore: Int16Array;
  /**
   * Kept from round to round, so that a round counts only for voters whose load it changed; anew it would be 320,000
   * terms a round at 20,000 voters.
   */
  private readonly terms: Terms;

  constructor(ballots: readonly Ballot[], approval: readonly bigint[], supporters: readonly (readonly number[])[]) {
    this.ballots = ballots;
    this.approval = approval;
    this.supporters = supporters;
    this.base = approval.map((stake) => (stake === 0n ? 0n : WHOLE / stake));
    this.carried = approval.map(() => 0n);
    this.scores = approval.map((stake, n) => (stake === 0n ? undefined : this.base[n]));
    this.electedIn = new Int16Array(approval.length).fill(NONE);
    this.loadedIn = new Int16Array(ballots.length).fill(NONE);
    this.begins = new Uint32Array(ballots.length + 1);
    for (const [i, { choices }] of ballots.entries()) this.begins[i + 1] = (this.begins[i] as number) + choices.length;
    const places = this.begins[ballots.length] as number;
    this.choices = new Uint16Array(places);
    for (const [i, { choices }] of ballots.entries()) this.choices.set(choices, this.begins[i] as number);
    this.loadedBefore = new Int16Array(places).fill(NONE);
    this.terms = new Terms(
      ballots.map(({ stake }) => stake),
      approval,
      places,
    );
  }

  score(candidate: number): bigint | undefined {
    return this.scores[candidate];
  }

  /** The two candidates with the lowest scores; of equals the earlier. There is one at least. */
  lowest(): { first: number; second: number | undefined } {
    let first: number | undefined;
    let second: number | undefined;
    for (let n = 0; n < this.electedIn.length; n++) {
      if (this.electedIn[n] !== NONE) continue;
      if (first === undefined || this.isBelow(n, first)) {
        second = first;
        first = n;
      } else if (second === undefined || this.isBelow(n, second)) second = n;
    }
    return { first: must(first, 'somebody is left to be elected'), second };
  }

  private isBelow(a: number, b: number): boolean {
    const [one, other] = [this.scores[a], this.scores[b]];
    return one !== undefined && (other === undefined || one < other);
  }

  /** Puts the seat on its supporters: all of them carry its score from now on. */
  elect(winner: number): void {
    const { choices, electedIn, terms } = this;
    const round = this.loads.length;
    const score = this.scores[winner] ?? 0n;
    this.loads.push(score);
    electedIn[winner] = round;
    terms.begin(score);
    for (const i of this.supporters[winner] as readonly number[]) {
      const end = this.begins[i + 1] as number;
      for (let place = this.begins[i] as number; place < end; place++) {
        const choice = choices[place] as number;
        if (choice === winner) this.loadedBefore[place] = this.loadedIn[i] as number;
        if (electedIn[choice] === NONE) terms.put(place, i, choice);
      }
      this.loadedIn[i] = round;
    }
    for (const choice of terms.candidates()) {
      const carried = terms.sum(choice);
      this.carried[choice] = carried;
      this.scores[choice] = min(WHOLE, (this.base[choice] as bigint) + carried);
    }
  }

  /** The load that was a round's score; before any round it is 0. */
  private load(round: number): bigint {
    return this.loads[round] ?? 0n;
  }

  /** How a ballot's stake is divided among its winners, by what each put on it; mending may leave one with 0. */
  shares(i: number): { readonly choices: readonly number[]; readonly stakes: readonly bigint[] } {
    const { choices, stake } = this.ballots[i] as Ballot;
    const load = this.load(this.loadedIn[i] as number);
    const winners: number[] = [];
    const shares: bigint[] = [];
    if (load === 0n) return { choices: winners, stakes: shares };
    const begin = this.begins[i] as number;
    for (let k = 0; k < choices.length; k++) {
      const choice = choices[k] as number;
      const round = this.electedIn[choice] as number;
      if (round === NONE) continue;
      // A load may fall by a rounding; an edge is never less than nothing.
      const edge = max(0n, this.load(round) - this.load(this.loadedBefore[begin + k] as number));
      const share = (stake * edge) / load;
      if (share === 0n) continue;
      winners.push(choice);
      shares.push(share);
    }
    return { choices: winners, stakes: normalise(shares, stake) };
  }
}

/** Parts of 10^9 that sum to 10^9; what is less than one of them stays 0. */
function partsOf(stakes: readonly bigint[], whole: bigint): bigint[] {
  const parts = stakes.map((stake) => (stake * PERBILL) / whole);
  const isSmall = (part: bigint) => part === 0n;
  if (!parts.some(isSmall)) return normalise(parts, PERBILL);
  const exact = normalise(
    parts.filter((part) => !isSmall(part)),
    PERBILL,
  );
  return parts.map((part) => (isSmall(part) ? part : must(exact.shift(), 'as many parts as were normalised')));
}
