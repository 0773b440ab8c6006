/**
 * # Election oracle: sequential Phragmén twice more, as plainly as it can be said, to hold the fast one against.
 *
 * `exactly` is the rule on paper: fractions, no rounding. `slowly` rounds as sp-npos-elections does, but counts every
 * score anew in every round. Candidates and voters are numbers here.
 */
import { fromLittleEndian, littleEndian } from '../../src/base/bytes.ts';
import type { Election } from '../../src/runtime/election/ballots.ts';
import { seqPhragmen } from '../../src/runtime/election/phragmen.ts';

export type Vote = readonly [who: number, stake: bigint, approves: readonly number[]];

export interface Profile {
  readonly seats: number;
  readonly candidates: readonly number[];
  readonly votes: readonly Vote[];
}

export const account = (n: number) => littleEndian(BigInt(n), 32).reverse();
const numberOf = (who: Uint8Array) => Number(fromLittleEndian(who.slice().reverse()));

function electionOf({ seats, candidates, votes }: Profile): Election {
  return {
    seats,
    candidates: candidates.map(account),
    voters: votes.map(([who, stake, approves]) => ({ who: account(who), stake, approves: approves.map(account) })),
  };
}

/** The outcome in numbers. */
export function elect(profile: Profile) {
  const { winners, assignments, rounds } = seqPhragmen(electionOf(profile));
  return {
    winners: winners.map(({ who, backing }): [number, bigint] => [numberOf(who), backing]),
    names: winners.map(({ who }) => numberOf(who)),
    scores: rounds.map(({ score }) => score),
    stakes: assignments.map(({ who, edges }) => [numberOf(who), edges.map((e) => [numberOf(e.who), e.stake])]),
    perbill: assignments.map(({ who, edges }) => [numberOf(who), edges.map((e) => [numberOf(e.who), e.perbill])]),
    assignments,
    rounds,
  };
}

/** A fraction, numerator and positive denominator; of [1n, 0n] nothing is larger. */
export type Fraction = readonly [bigint, bigint];

export const below = ([a, b]: Fraction, [c, d]: Fraction) => a * d < c * b;

function reduced(n: bigint, d: bigint): Fraction {
  let [a, b] = [n, d];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? [0n, 1n] : [n / a, d / a];
}

const plus = ([a, b]: Fraction, [c, d]: Fraction) => reduced(a * d + c * b, b * d);

export interface ExactRound {
  readonly who: number;
  readonly score: Fraction;
  /** The scores of all who could be elected. */
  readonly scores: ReadonlyMap<number, Fraction>;
}

/** The rule on paper; `follow` elects in a given order, whatever the scores. */
export function exactly({ seats, candidates, votes }: Profile, follow?: readonly number[]): ExactRound[] {
  const loads = votes.map((): Fraction => [0n, 1n]);
  const rounds: ExactRound[] = [];
  const left = new Set(candidates);
  while (rounds.length < seats && left.size > 0) {
    const scores = new Map<number, Fraction>();
    for (const candidate of left) {
      let approval = 0n;
      let carried: Fraction = [1n, 1n];
      votes.forEach(([, stake, approves], i) => {
        if (!approves.includes(candidate)) return;
        approval += stake;
        const [n, d] = loads[i] as Fraction;
        carried = plus(carried, [n * stake, d]);
      });
      scores.set(candidate, approval === 0n ? [1n, 0n] : reduced(carried[0], carried[1] * approval));
    }
    let best: number | undefined = follow?.[rounds.length];
    if (best === undefined) {
      for (const [candidate, score] of scores) {
        if (best === undefined || below(score, scores.get(best) as Fraction)) best = candidate;
      }
    }
    const winner = best as number;
    const score = scores.get(winner) as Fraction;
    left.delete(winner);
    votes.forEach(([, , approves], i) => {
      if (approves.includes(winner) && score[1] !== 0n) loads[i] = score;
    });
    rounds.push({ who: winner, score, scores });
  }
  return rounds;
}

/** Whether in some round two candidates are closer than roundings tell apart: 1 part in 2^40. */
export function isClose(profile: Profile): boolean {
  return exactly(profile).some(({ who, score: [n, d], scores }) =>
    [...scores].some(
      ([other, rival]) => other !== who && rival[1] !== 0n && !below([n * (2n ** 40n + 1n), d * 2n ** 40n], rival),
    ),
  );
}

const MAX = 2n ** 128n - 1n;

/** Winners and their scores, every score counted anew, u128 that saturate. */
export function slowly({ seats, candidates, votes }: Profile): [number, bigint | undefined][] {
  const loads = votes.map(() => 0n);
  const elected: [number, bigint | undefined][] = [];
  while (elected.length < Math.min(seats, candidates.length)) {
    let best: [number, bigint] | undefined;
    for (const candidate of candidates.filter((c) => !elected.some(([who]) => who === c))) {
      const fans = votes
        .map((vote, i) => [i, vote] as const)
        .filter(([, [, , approves]]) => approves.includes(candidate));
      const approval = fans.reduce((sum, [, [, stake]]) => sum + stake, 0n);
      let score = approval === 0n ? MAX * MAX : MAX / approval;
      if (approval > 0n) for (const [i, [, stake]] of fans) score += ((loads[i] as bigint) * stake) / approval;
      if (approval > 0n && score > MAX) score = MAX;
      if (best === undefined || score < best[1]) best = [candidate, score];
    }
    const [winner, score] = best as [number, bigint];
    elected.push([winner, score > MAX ? undefined : score]);
    votes.forEach(([, , approves], i) => {
      if (approves.includes(winner) && score <= MAX) loads[i] = score;
    });
  }
  return elected;
}
