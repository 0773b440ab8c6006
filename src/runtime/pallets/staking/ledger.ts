/**
 * # Ledger: what an account bonded, and how it gets it back.
 *
 * Always true: total = active + what unbonds, and Balances holds exactly that for the account; what unbonds stays for
 * the bonding duration, counts nowhere, and can be slashed for what was done while it was bonded.
 */
import { assert } from '../../../base/assert.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { min } from '../../../base/fixed.ts';
import { hold, release, slashHeld } from '../balances.ts';
import { recordStake, stakingEra } from './snapshot.ts';
import type { StakingScope } from './state.ts';
import { MAX_CHUNKS, type StakingLedger, type UnlockChunk } from './types.ts';
import { placeVoter, retire } from './voters.ts';

const REASON = { type: 'Staking', value: { type: 'Staking' } } as const;

/** The era of staking of the present block. */
export function eraNow(at: StakingScope): number {
  return stakingEra(at.block.number, at.spec.staking);
}

/** The ledger of an account; fails where it bonded nothing. */
export function ledgerOf(at: StakingScope, who: Bytes): StakingLedger {
  return at.some(at.state.Ledger.get(who), 'NotController');
}

/** Units of an account that no time lock binds. */
function unpledged(at: StakingScope, ledger: StakingLedger): bigint {
  return at.state.Pledges.get(ledger.stash).reduce((left, { amount }) => left - amount, ledger.active);
}

/** Writes a ledger with another active part and other chunks, and all that hangs on them. */
function write(at: StakingScope, before: StakingLedger, active: bigint, unlocking: readonly UnlockChunk[]): void {
  const total = unlocking.reduce((sum, { value }) => sum + value, active);
  const { stash } = before;
  if (total === 0n) {
    at.state.Ledger.delete(stash);
    at.state.Bonded.delete(stash);
    at.state.Payee.delete(stash);
  } else {
    at.state.Ledger.put(stash, { ...before, total, active, unlocking: [...unlocking] });
  }
  // A slash may take all that is bonded and leave what unbonds: then nothing is left to vote with.
  if (active === 0n) retire(at, stash);
  recordStake(at, stash, active, active - before.active);
  if (active !== before.active) placeVoter(at, stash);
}

/** Bonds `value` more; fails where the account does not have it free beside the existential deposit. */
export function bondMore(at: StakingScope, who: Bytes, value: bigint): void {
  const known = at.state.Ledger.get(who);
  const ledger = known ?? { stash: who, total: 0n, active: 0n, unlocking: [], legacy_claimed_rewards: [] };
  const active = ledger.active + value;
  at.ensure(active >= at.const.MinBond, 'InsufficientBond');
  hold(at, REASON, who, value);
  if (known === undefined) at.state.Bonded.put(who, who);
  write(at, ledger, active, ledger.unlocking);
  at.emit.Bonded({ stash: who, amount: value });
}

/** Begins to unbond up to `value`. Whoever still validates or votes keeps the least bond. */
export function unbond(at: StakingScope, who: Bytes, value: bigint): void {
  const ledger = ledgerOf(at, who);
  const amount = min(value, ledger.active);
  if (amount === 0n) return;
  at.ensure(amount <= unpledged(at, ledger), 'Pledged');
  const active = ledger.active - amount;
  const isActive = at.state.Validators.has(who) || at.state.Nominators.has(who);
  at.ensure(!isActive || active >= at.const.MinBond, 'InsufficientBond');
  const era = eraNow(at) + at.spec.staking.bondingEras;
  const last = ledger.unlocking.at(-1);
  const earlier = last?.era === era ? ledger.unlocking.slice(0, -1) : ledger.unlocking;
  at.ensure(earlier.length < MAX_CHUNKS, 'NoMoreChunks');
  write(at, ledger, active, [...earlier, { value: amount + (last?.era === era ? last.value : 0n), era }]);
  at.emit.Unbonded({ stash: who, amount });
}

/** Bonds up to `value` of what unbonds again, the latest first. */
export function rebond(at: StakingScope, who: Bytes, value: bigint): void {
  const ledger = ledgerOf(at, who);
  at.ensure(ledger.unlocking.length > 0, 'NoUnlockChunk');
  let left = value;
  const kept: UnlockChunk[] = [];
  for (const chunk of ledger.unlocking.toReversed()) {
    const back = min(left, chunk.value);
    left -= back;
    if (chunk.value > back) kept.unshift({ ...chunk, value: chunk.value - back });
  }
  const active = ledger.active + value - left;
  at.ensure(active >= at.const.MinBond, 'InsufficientBond');
  write(at, ledger, active, kept);
  at.emit.Bonded({ stash: who, amount: value - left });
}

/** Frees what has unbonded for long enough. */
export function withdrawUnbonded(at: StakingScope, who: Bytes): void {
  const ledger = ledgerOf(at, who);
  const now = eraNow(at);
  const kept = ledger.unlocking.filter(({ era }) => era > now);
  const freed = ledger.unlocking.reduce((sum, { value, era }) => (era > now ? sum : sum + value), 0n);
  if (freed === 0n) return;
  release(at, REASON, who, freed);
  write(at, ledger, ledger.active, kept);
  at.emit.Withdrawn({ stash: who, amount: freed });
}

/**
 * Takes up to `amount` for what was done with the stake of an election: of what is bonded, then of what began to unbond
 * in the era before that election's or later, the latest first. The units go to the calling pallet; returns how many.
 */
export function slashLedger(at: StakingScope, who: Bytes, amount: bigint, source: number): bigint {
  const ledger = at.state.Ledger.get(who);
  if (ledger === undefined) return 0n;
  const ofActive = min(amount, ledger.active);
  let left = amount - ofActive;
  const oldest = source - 1 + at.spec.staking.bondingEras;
  const kept: UnlockChunk[] = [];
  for (const chunk of ledger.unlocking.toReversed()) {
    const part = chunk.era >= oldest ? min(left, chunk.value) : 0n;
    left -= part;
    if (chunk.value > part) kept.unshift({ ...chunk, value: chunk.value - part });
  }
  const taken = amount - left;
  if (taken === 0n) return 0n;
  slashHeld(at, REASON, who, taken);
  write(at, ledger, ledger.active - ofActive, kept);
  at.emit.Slashed({ staker: who, amount: taken });
  return taken;
}

/** True, or what is broken: ledgers against what Balances holds. */
export function brokenLedgers(at: StakingScope, heldFor: (who: Bytes) => bigint): string | true {
  let active = 0n;
  for (const [who, ledger] of at.state.Ledger.entries()) {
    assert(ledger.total > 0n, 'an empty ledger is deleted');
    if (ledger.unlocking.reduce((sum, { value }) => sum + value, ledger.active) !== ledger.total)
      return 'a ledger does not sum to its total';
    if (heldFor(who) !== ledger.total) return 'what is bonded is not what is held';
    if (unpledged(at, ledger) < 0n) return 'more is locked for a time than is bonded';
    if ((at.state.StakeAt.get(who).at(-1)?.stake ?? 0n) !== ledger.active) return 'a snapshot is not the stake';
    active += ledger.active;
  }
  return active === at.state.TotalBonded.get() || 'TotalBonded is not what is bonded';
}
