/**
 * # Bags: who votes when there are more voters than an election may have.
 *
 * Always true: a voter's bag follows from his stake alone, so that a change of stake moves one voter and sorts nobody.
 * Whoever is left out has less than 5/4 of the stake of anybody who is taken, give or take a unit; within a bag the
 * first to come stays. A pallet walks from the highest bag down and stops at its bound: it never reads all voters.
 */

/** Bags between two powers of two: a bag's highest stake is at most 5/4 of its lowest. */
const QUARTERS = 4n;
const QUARTER_BITS = 2n;

/** The number of the bag of a stake: 0 for nothing, up to 512 for a u128; higher bags hold only higher stakes. */
export function bagOf(stake: bigint): number {
  if (stake <= 0n) return 0;
  const power = BigInt(stake.toString(2).length - 1);
  const quarter = ((stake << QUARTER_BITS) >> power) - QUARTERS;
  return Number(power * QUARTERS + quarter) + 1;
}

/** The `limit` voters that vote: from the highest bag down, within a bag in the order given. Takes one pass. */
export function richest<V extends { readonly stake: bigint }>(voters: Iterable<V>, limit: number): V[] {
  const bags: V[][] = [];
  for (const voter of voters) {
    const bag = bagOf(voter.stake);
    if (bag > 0) (bags[bag] ??= []).push(voter);
  }
  const taken: V[] = [];
  for (let bag = bags.length - 1; bag > 0 && taken.length < limit; bag--) {
    for (const voter of (bags[bag] ?? []).slice(0, limit - taken.length)) taken.push(voter);
  }
  return taken;
}
