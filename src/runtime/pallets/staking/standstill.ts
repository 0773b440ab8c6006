/**
 * # Standstill: what the chain knows of finality by the votes that it was shown (ECONOMY.md rule F).
 *
 * Always true: it is the same on every node, for it follows from what blocks hold (DECISIONS.md section 1); where no
 * votes are shown, by depth or by turns, finality never counts as standing still.
 */
import { type Bytes, equal } from '../../../base/bytes.ts';
import type { Chain } from '../../chain.ts';
import { StakingDeclared, type StakingScope } from './state.ts';

/** Eras without a supermajority heard until finality counts as standing still: in one that has begun it may yet be. */
const ERAS_OF_SILENCE = 1;

/** The weight that may be missing while the rest finalizes (docs/spec/finality.md, section 1). */
export function tolerated(total: bigint): bigint {
  return total === 0n ? 0n : (total - 1n) / 3n;
}

/** A validator is heard for the first time in an era, by a vote. */
export function countHeard(at: StakingScope, era: number, validator: Bytes): void {
  const seats = at.state.ErasSeats.get(era);
  let [total, own] = [0n, 0n];
  for (const { who, weight } of seats) {
    total += weight;
    if (equal(who, validator)) own = weight;
  }
  const heard = at.state.HeardWeight.get() + own;
  at.state.HeardWeight.put(heard);
  if (total > 0n && heard >= total - tolerated(total)) at.state.LastHeard.put(era);
}

/** Whether too few votes for blocks of the last era, and of this one so far, were shown for any of them to be final. */
export function standsStill(chain: Chain): boolean {
  const at = chain.use(StakingDeclared);
  const heard = at.state.LastHeard.get();
  const era = at.state.ActiveEra.get()?.index;
  return heard !== undefined && era !== undefined && era > heard + ERAS_OF_SILENCE;
}
