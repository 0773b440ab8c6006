/**
 * # Era: who earned what in an era, reckoned in one pass over those who have a part in it.
 *
 * Always true: what the shares of an era sum to is at most its pots, and leaves the pool when it is put into the queue;
 * a certificate counts in 24 equal parts, and reputation moves once an era (ECONOMY.md rules S and V).
 */
import type { Bytes } from '../../../base/bytes.ts';
import { max, mulDivFloor, PERBILL } from '../../../base/fixed.ts';
import { keyOf } from '../../../state/key.ts';
import { settlingEras } from '../../boost.ts';
import * as economy from '../../economy.ts';
import type { RuntimeSpec } from '../../spec.ts';
import { settledStakingEra, stakeSnapshot } from '../staking/snapshot.ts';
import { StakingDeclared } from '../staking/state.ts';
import type { LedgerEntry, RewardsScope, Standing } from './state.ts';

const NO_TIER = PERBILL;

/** One account in an era: its entry, and what was minted for it in that era alone. */
interface Part {
  readonly who: Bytes;
  readonly entry: LedgerEntry;
  readonly fresh: bigint;
  readonly standing: bigint;
}

/** A miner's score in an era. */
export function scoreOf(input: Omit<economy.ScoreInput, 'tier'>): bigint {
  return economy.score({ ...input, tier: NO_TIER });
}

type Staking = Parameters<typeof stakeSnapshot>[0];

/** The stake that counts in an era that block `number` pays: the last settled snapshot then. */
export function stakeFor(state: Staking, spec: RuntimeSpec, account: Bytes, number: number): bigint {
  const era = settledStakingEra(number, spec);
  return era < 0 ? 0n : stakeSnapshot(state, era, account);
}

/** What a reputation is worth in a later era: whole eras without work between lower it. */
export function standingIn({ perbill, era: since }: Standing, era: number): bigint {
  return economy.reputationAfterIdle(perbill, Math.max(0, era - since - 1));
}

/**
 * Reckons an era that ended: fills the queue of payouts and writes the record. All in one block, since every share
 * hangs on every other: 40 ms with 1,000 miners who earn, 0.3 ms with ten.
 */
export function payEra(at: RewardsScope, era: number): void {
  const { state, spec } = at;
  const parts = partsOf(at, era);
  const work = parts.reduce((sum, { entry }) => sum + entry.work, 0n);
  const scores = parts.reduce((sum, { entry }) => sum + entry.score, 0n);
  const checked = parts.reduce((sum, { entry }) => sum + entry.checked, 0n);
  const average = state.Average.get();
  const u = economy.utilisation(work, at.const.MinWork, average);
  const released = economy.release(state.Pool.get(), at.const.ReleaseFactor, at.const.Tail);
  const pot = economy.pots(released, u, spec.rewards.split);
  const price = economy.checkPrice(pot.verify, checked, pot.train + pot.authors, work);
  let paid_compute = 0n;
  let paid_check = 0n;
  for (const part of parts) {
    const compute = economy.share(pot.train, part.entry.score, scores);
    const check = mulDivFloor(part.entry.checked, price, PERBILL);
    write(at, part, { ...part.entry, compute, check });
    paid_compute += compute;
    paid_check += check;
  }
  // The pots are parts of what is released, and that is at most the pool.
  state.Pool.mutate((pool) => pool - paid_compute - paid_check);
  state.DueTotal.mutate((total) => total + paid_compute + paid_check);
  const rho = work === 0n ? 0n : mulDivFloor(pot.train, PERBILL, work);
  const kappa = state.Kappa.get();
  const record = { work, checked, scores, paid_compute, paid_check, rho, kappa };
  state.Eras.put(era, { release: released, utilisation: u, ...pot, ...record });
  const staked = parts.reduce((sum, { entry }) => (entry.work > 0n ? sum + entry.stake : sum), 0n);
  if (work > 0n) state.Kappa.put(economy.nextKappa(staked, work));
  state.Average.put(economy.averageWork(average, work));
  state.AuthorsPot.put(pot.authors);
  state.BondPrice.put(mulDivFloor(spec.rewards.referenceCu, highestRho(at, era), PERBILL));
  at.emit.EraPaid({ era, work, release: released, paid: paid_compute + paid_check });
}

/** Everyone whose certificates still count, and everyone who checked. What is too old to count is forgotten. */
function partsOf(at: RewardsScope, era: number): Part[] {
  const { state } = at;
  const found = new Map<string, { who: Bytes; minted: bigint; fresh: bigint; checked: bigint }>();
  const of = (who: Bytes) => {
    const key = keyOf(who);
    const known = found.get(key) ?? { who, minted: 0n, fresh: 0n, checked: 0n };
    found.set(key, known);
    return known;
  };
  for (const [who, { minted }] of state.Ledger.entries()) of(who).minted = minted;
  for (const [[, who], cu] of state.Minted.entries(era)) {
    const one = of(who);
    one.minted += cu;
    one.fresh = cu;
  }
  for (const [[, who], cu] of state.Checked.entries(era)) of(who).checked = cu;
  const gone = era - economy.STREAM_ERAS;
  if (gone >= 0) {
    for (const [[, who], cu] of state.Minted.entries(gone)) of(who).minted -= cu;
  }
  // A boost looks back at the last settled era, which may be an era or more behind this one.
  const outdated = gone - settlingEras(at.spec);
  if (outdated >= 0) {
    state.Minted.clear(outdated);
    state.Checked.clear(outdated);
  }
  const kappa = state.Kappa.get();
  return [...found.values()].map(({ who, minted, fresh, checked }) => {
    const work = economy.streamed(minted);
    const standing = standingIn(state.Reputation.get(who), era);
    const stake = stakeFor(at.use(StakingDeclared).state, at.spec, who, at.block.number);
    const score = scoreOf({ reputation: standing, betaPerbill: BigInt(at.const.Beta), work, stake, kappa });
    const entry = { minted, era, work, stake, reputation: standing, score, checked, compute: 0n, check: 0n };
    return { who, entry, fresh, standing };
  });
}

function write({ state, spec }: RewardsScope, { who, fresh, standing }: Part, entry: LedgerEntry): void {
  if (entry.minted > 0n || entry.checked > 0n) state.Ledger.put(who, entry);
  else state.Ledger.delete(who);
  if (fresh > 0n) {
    const perbill = economy.reputationAfterWork(standing, fresh, spec.rewards.referenceCu);
    state.Reputation.put(who, { perbill, era: entry.era });
  }
  if (entry.compute + entry.check === 0n) return;
  const due = state.Due.get(who);
  const { compute, check } = entry;
  state.Due.put(who, { compute: compute + (due?.compute ?? 0n), check: check + (due?.check ?? 0n) });
}

/** R of the last 24 eras: the dearest certificate price decides how much an author's bond must be worth (rule D). */
function highestRho({ state }: RewardsScope, last: number): bigint {
  let highest = 0n;
  for (let era = Math.max(0, last - economy.STREAM_ERAS + 1); era <= last; era++) {
    highest = max(highest, state.Eras.get(era)?.rho ?? 0n);
  }
  return highest;
}

/** True, or what is broken: each entry's window is what was minted in the 24 eras up to the last one. */
export function brokenLedger({ state, block }: RewardsScope): string | true {
  const minted = new Map<string, bigint>();
  for (let era = Math.max(0, block.era - economy.STREAM_ERAS); era < block.era; era++) {
    for (const [[, who], cu] of state.Minted.entries(era)) {
      minted.set(keyOf(who), (minted.get(keyOf(who)) ?? 0n) + cu);
    }
  }
  for (const [who, entry] of state.Ledger.entries()) {
    if (entry.minted !== (minted.get(keyOf(who)) ?? 0n)) return 'the ledger is not what was minted in 24 eras';
    minted.delete(keyOf(who));
  }
  return minted.size === 0 || 'a miner’s work does not stream';
}
