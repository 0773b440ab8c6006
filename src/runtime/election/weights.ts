/**
 * # Seat weights: what each seat counts in votes on finality.
 *
 * Always true: all seats together weigh about 10^6 a seat; seats by lot weigh together less than a third of the whole,
 * whatever was bonded; every seat weighs something. A voted seat weighs by the stake behind it, a bootstrap seat as the
 * average voted one, a seat by lot by its own bond, and never more than that average.
 */
import type { Bytes } from '../../base/bytes.ts';
import { max, min, mulDivFloor } from '../../base/fixed.ts';

/** The average weight of a seat that is voted for. */
export const SEAT_WEIGHT = 1_000_000n;

export interface Seated {
  readonly who: Bytes;
  /** The stake behind a voted seat; the own bond of one by lot; 0 of a bootstrap seat. */
  readonly stake: bigint;
}

export interface Weighed {
  readonly validator: Bytes;
  readonly weight: bigint;
  readonly stake: bigint;
}

/** Every seat with its weight. `3 * drawn < all` in number (lots.ts) is what keeps the lot below a third here. */
export function weighSeats(seats: {
  readonly voted: readonly Seated[];
  readonly bootstrap: readonly Seated[];
  readonly drawn: readonly Seated[];
}): Weighed[] {
  const { voted, bootstrap, drawn } = seats;
  const behind = voted.reduce((sum, { stake }) => sum + stake, 0n);
  const whole = SEAT_WEIGHT * BigInt(voted.length);
  const byStake = (stake: bigint) => (behind === 0n ? SEAT_WEIGHT : max(1n, mulDivFloor(whole, stake, behind)));
  const weigh = ({ who, stake }: Seated, weight: bigint): Weighed => ({ validator: who, weight, stake });
  const firm = [
    ...voted.map((one) => weigh(one, byStake(one.stake))),
    ...bootstrap.map((one) => weigh(one, SEAT_WEIGHT)),
  ];
  // Floors may take a unit of each voted seat; the lot is measured against what is left of them.
  const most = (firm.reduce((sum, { weight }) => sum + weight, 0n) - 1n) / 2n;
  const each = drawn.length === 0 ? 0n : min(SEAT_WEIGHT, most / BigInt(drawn.length));
  return [...firm, ...drawn.map((one) => weigh(one, max(1n, min(each, byStake(one.stake)))))];
}
