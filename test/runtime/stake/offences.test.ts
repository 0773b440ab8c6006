/** # Offences: whoever was behind the seat pays, once, whatever it did with its bond since. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Chain } from '../../../src/runtime/chain.ts';
import { type OffenceReport, reportOffence } from '../../../src/runtime/pallets/offences.ts';
import { equivocationFraction, SLASHED_PER_BLOCK } from '../../../src/runtime/pallets/staking/slashing.ts';
import { names } from '../test-chain.ts';
import { ERA, type Somebody, STAKING, StakeChain, type StakeOptions, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 5 }, (_, i) => somebody(`validator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');
const [voter, mover, reporter] = [somebody('a voter'), somebody('a mover'), somebody('a reporter')];

/** A chain on which a pallet reports what it is told to. */
function chainOf(options: StakeOptions = {}) {
  const waiting: OffenceReport[] = [];
  const said: boolean[] = [];
  const chain = new StakeChain({
    keyed: V,
    stakers: [
      ...V.slice(0, 4).map((who) => [who, 100n * UNIT, 'Validator'] as const),
      [voter, 80n * UNIT, [v(0)]],
      [mover, 40n * UNIT, [v(0)]],
    ],
    endowed: [voter, mover, reporter],
    hook(at: Chain) {
      said.length = 0;
      for (const report of waiting) said.push(reportOffence(at, report));
    },
    ...options,
  });
  const report = (of: Partial<OffenceReport> & Pick<OffenceReport, 'offenders'>) => {
    waiting.push({ kind: 'grandpa:equivoc', session: 0, timeSlot: utf8('1'), ...of });
    const built = chain.block();
    waiting.length = 0;
    return { built, said: [...said] };
  };
  return { chain, report };
}

const bonded = (chain: StakeChain, who: Somebody) => chain.staking.Ledger.get(who.account)?.total ?? 0n;
// One of four: (3/4)^2.
const PART = 9n;
const OF = 16n;

test('an offender and its voters lose the same part, it leaves its seat, and nothing vanishes', () => {
  const { chain, report } = chainOf();
  const free = chain.free(reporter.account);
  const { built } = report({ offenders: [v(0).account], reporter: reporter.account });
  const happened = names(built.events);
  for (const name of ['Offences.Offence', 'Staking.SlashReported', 'Staking.Slashed', 'Staking.Chilled'])
    assert.ok(happened.includes(name), name);
  assert.equal(bonded(chain, v(0)), 100n * UNIT - (100n * UNIT * PART) / OF);
  assert.deepEqual(chain.session.DisabledValidators.get(), [chain.names(V).indexOf('0')]);
  chain.block();
  assert.equal(bonded(chain, voter), 80n * UNIT - (80n * UNIT * PART) / OF);
  assert.equal(bonded(chain, mover), 40n * UNIT - (40n * UNIT * PART) / OF);
  const lost = (220n * UNIT * PART) / OF;
  assert.equal(chain.free(reporter.account) - free, lost / 10n);
  assert.equal(chain.rewards.Treasury.get(), lost - lost / 10n);
  assert.equal(bonded(chain, v(1)), 100n * UNIT);
  chain.toEra(1);
  assert.deepEqual(chain.names(V).sort(), ['1', '2', '3']);
  assert.deepEqual(chain.session.DisabledValidators.get(), []);
});

test('one offence is answered for once, a second of the era only as far as it is worse', () => {
  const { chain, report } = chainOf();
  assert.deepEqual(report({ offenders: [v(0).account] }).said, [true]);
  const after = bonded(chain, v(0));
  assert.deepEqual(report({ offenders: [v(0).account] }).said, [false]);
  assert.equal(bonded(chain, v(0)), after);
  // Another round, alone again: no worse than before.
  assert.deepEqual(report({ offenders: [v(0).account], timeSlot: utf8('2') }).said, [true]);
  assert.equal(bonded(chain, v(0)), after);
  // A second offender in the first round: two of four lose all, the first one the rest.
  assert.deepEqual(report({ offenders: [v(1).account] }).said, [true]);
  assert.equal(bonded(chain, v(0)), 0n);
  assert.equal(bonded(chain, v(1)), 0n);
  chain.block();
  assert.equal(bonded(chain, voter), 0n);
});

test('unbonding does not help: what was bonded then is slashed, what was unbonded long before is not', () => {
  const { chain, report } = chainOf();
  chain.does([mover, 'Staking.unbond', { value: 10n * UNIT }]);
  chain.toEra(2);
  const session = 2 * STAKING.sessionsPerEra;
  // Behind the seat in era 2 are 30 of its units; those that it unbonded in era 0 are no part of them.
  chain.does([mover, 'Staking.chill', {}], [voter, 'Staking.chill', {}]);
  chain.does([mover, 'Staking.unbond', { value: 30n * UNIT }], [voter, 'Staking.unbond', { value: 80n * UNIT }]);
  chain.toEra(3);
  report({ offenders: [v(0).account, v(1).account], session });
  chain.block();
  assert.equal(bonded(chain, voter), 0n);
  assert.equal(bonded(chain, mover), 10n * UNIT);
  chain.does([mover, 'Staking.withdraw_unbonded', { num_slashing_spans: 0 }]);
  assert.equal(bonded(chain, mover), 0n);
});

test('who is slashed of all that is bonded votes no more, though something of his unbonds', () => {
  const { chain, report } = chainOf();
  chain.does([mover, 'Staking.unbond', { value: 10n * UNIT }]);
  chain.toEra(2);
  report({ offenders: [v(0).account, v(1).account], session: 2 * STAKING.sessionsPerEra });
  chain.block();
  assert.equal(bonded(chain, mover), 10n * UNIT);
  assert.equal(chain.staking.Nominators.has(mover.account), false);
  chain.does([mover, 'Staking.rebond', { value: 10n * UNIT }]);
  chain.toEra(3);
});

test('what is too old, or of no session that was, is not judged', () => {
  const { chain, report } = chainOf();
  assert.deepEqual(report({ offenders: [v(0).account], session: 7 }).said, [false]);
  chain.toEra(STAKING.bondingEras - 1);
  const { built, said } = report({ offenders: [v(0).account] });
  assert.deepEqual(said, [false]);
  assert.ok(names(built.events).includes('Staking.OldSlashingReportDiscarded'));
  assert.equal(bonded(chain, v(0)), 100n * UNIT);
});

test('a validator without stake loses its bootstrap seat', () => {
  const { chain, report } = chainOf({ stakers: [], bootstrap: V.slice(0, 3) });
  assert.equal(chain.names(V).length, 3);
  report({ offenders: [v(1).account] });
  chain.toEra(1);
  assert.deepEqual(chain.names(V).sort(), ['0', '2']);
});

test('voters of a large seat are slashed in turn, and cannot leave meanwhile', () => {
  const many = Array.from({ length: 2 * SLASHED_PER_BLOCK + 5 }, (_, i) => somebody(`of many ${i}`));
  const { chain, report } = chainOf({
    stakers: [
      ...V.slice(0, 4).map((who) => [who, 100n * UNIT, 'Validator'] as const),
      ...many.map((who) => [who, 16n * UNIT, [v(0)]] as const),
    ],
  });
  const slashed = () => many.filter((who) => bonded(chain, who) === 7n * UNIT).length;
  report({ offenders: [v(0).account] });
  const turns: number[] = [];
  for (let i = 0; i < 3; i++) {
    chain.block();
    turns.push(slashed());
  }
  assert.deepEqual(turns, [SLASHED_PER_BLOCK, 2 * SLASHED_PER_BLOCK, many.length]);
  chain.block();
  assert.equal([...chain.staking.Slashes.keys()].length, 0);
});

test('reports are forgotten with their sessions', () => {
  const { chain, report } = chainOf();
  report({ offenders: [v(0).account] });
  assert.equal([...chain.offences.Reports.keys()].length, 1);
  chain.to(ERA * 5);
  assert.equal([...chain.offences.Reports.keys()].length, 0);
  assert.equal([...chain.offences.ConcurrentReportsIndex.keys()].length, 0);
});

test('alone a fault costs little, a third together lose everything', () => {
  assert.equal(equivocationFraction(1, 27), 12_345_679n);
  assert.equal(equivocationFraction(1, 4), 562_500_000n);
  assert.equal(equivocationFraction(9, 27), 1_000_000_000n);
  assert.equal(equivocationFraction(1, 0), 1_000_000_000n);
});

test('whoever is slashed below a pledge keeps a smaller one', () => {
  const { chain, report } = chainOf();
  chain.does([v(0), 'Staking.pledge', { amount: 90n * UNIT, days: 365 }]);
  chain.does([v(0), 'Staking.bond_extra', { max_additional: 0n }]);
  report({ offenders: [v(0).account] });
  const [pledge] = chain.staking.Pledges.get(v(0).account);
  assert.equal(pledge?.amount, bonded(chain, v(0)));
});
