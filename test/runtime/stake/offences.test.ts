/** # Offences: whoever was behind the seat pays, once, whatever it did with its bond since. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Chain } from '../../../src/runtime/chain.ts';
import { grandpa } from '../../../src/runtime/pallets/grandpa.ts';
import { type OffenceReport, reportOffence } from '../../../src/runtime/pallets/offences.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { Slots } from '../../../src/runtime/pallets/slots.ts';
import {
  equivocationFraction,
  SLASH_READS,
  SLASH_WRITES,
  SLASHED_PER_BLOCK,
} from '../../../src/runtime/pallets/staking/slashing.ts';
import { MAX_PLEDGES } from '../../../src/runtime/pallets/staking/types.ts';
import { shareIncome } from '../../../src/runtime/pallets/staking.ts';
import { STAKED_VOTERS } from '../../../src/runtime/pallets/voters.ts';
import { DEFAULT_SPEC } from '../../../src/runtime/spec.ts';
import { rw, type Weight } from '../../../src/runtime/weights.ts';
import { Overlay } from '../../../src/state/overlay.ts';
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
      for (const report of waiting) said.push(reportOffence(at, report) !== undefined);
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

test('offenders of one round whose sessions are of two eras answer each for the own one', () => {
  const { chain, report } = chainOf();
  chain.toEra(1);
  assert.deepEqual(report({ offenders: [v(0).account] }).said, [true]);
  assert.deepEqual(report({ offenders: [v(1).account], session: STAKING.sessionsPerEra }).said, [true]);
  const lost = (era: number) => [0, 1].map((i) => chain.staking.SlashedIn.get(era, v(i).account));
  assert.deepEqual(
    [lost(0), lost(1)],
    [
      [1_000_000_000, 0],
      [0, 1_000_000_000],
    ],
  );
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

const NO_PREFS = { commission: 0, blocked: false };

/** A chain of many validators, each with voters and with locks that a slash cuts, whose offences are counted. */
function crowdOf(t: TestContext, offenders: number) {
  const crowd = Array.from({ length: 3 * offenders }, (_, i) => somebody(`of a crowd ${i}`));
  const few = crowd.slice(0, offenders);
  const told = { by: undefined as Somebody | undefined, of: [] as Somebody[] };
  const cost = { reads: 0, writes: 0 };
  const costs: { readonly reads: number; readonly writes: number; readonly took: Weight }[] = [];
  const count = (method: 'get' | 'keys' | 'put' | 'delete', what: 'reads' | 'writes') => {
    const original = Overlay.prototype[method] as (...args: unknown[]) => unknown;
    t.mock.method(Overlay.prototype, method, function (this: Overlay, ...args: unknown[]) {
      cost[what]++;
      return original.apply(this, args);
    });
  };
  count('get', 'reads');
  count('keys', 'reads');
  count('put', 'writes');
  count('delete', 'writes');
  const chain = new StakeChain({
    keyed: crowd,
    stakers: [
      ...crowd.map((who) => [who, 1_000n * UNIT, 'Validator'] as const),
      ...few.map((who, i) => [somebody(`behind ${i}`), 100n * UNIT, [who]] as const),
    ],
    endowed: [reporter],
    endowment: 100_000n * UNIT,
    staking: { seats: crowd.length, maxCandidates: crowd.length },
    hook(at: Chain) {
      const part = shareIncome(at, 1_000n * UNIT);
      at.use(RewardsDeclared).state.Pool.mutate((pool) => pool - part);
      for (const { account } of told.of) {
        const before = { ...cost };
        const report = { kind: 'grandpa:equivoc', session: 0, timeSlot: utf8('1'), offenders: [account] } as const;
        const took = must(reportOffence(at, { ...report, reporter: told.by?.account }), 'an offence');
        costs.push({ reads: cost.reads - before.reads, writes: cost.writes - before.writes, took });
      }
    },
  });
  const locks = Array.from(
    { length: MAX_PLEDGES },
    () => ['Staking.pledge', { amount: 60n * UNIT, days: 365 }] as const,
  );
  for (const who of few) chain.does(...locks.map(([name, args]) => [who, name, args] as const));
  return { chain, few, told, costs };
}

for (const [when, blocks] of [
  ['in one block', false],
  ['in a block each, and stand again', true],
] as const) {
  test(`a report reads and writes no more than it says, of many who offend ${when}`, (t) => {
    const { chain, few, told, costs } = crowdOf(t, 7);
    told.by = reporter;
    for (const [i, who] of few.entries()) {
      told.of = blocks ? [who] : few;
      const standing = few.slice(0, blocks && i < few.length - 1 ? i + 1 : 0);
      chain.does(...standing.map((one) => [one, 'Staking.validate', { prefs: NO_PREFS }] as const));
      if (!blocks) break;
    }
    // Once where it is built, once where it is imported.
    assert.equal(costs.length, 2 * few.length);
    for (const { reads, writes, took } of costs) {
      const said = rw(reads, writes).ref_time;
      assert.ok(said <= took.ref_time, `${reads} reads and ${writes} writes are ${said}, not ${took.ref_time}`);
    }
    const last = must(costs.at(-1), 'a cost');
    const first = must(costs[0], 'a cost');
    assert.ok(last.took.ref_time > 4n * first.took.ref_time, 'those before were not slashed again');
  });
}

test('voters wait once for what a validator lost in one slot, and pay for all of it', (t) => {
  const { chain, few, told } = crowdOf(t, 3);
  told.of = few;
  chain.block();
  assert.equal([...chain.staking.Slashes.keys()].length, few.length);
  for (const [, { before, after }] of chain.staking.Slashes.entries())
    assert.deepEqual([before, after], [0, 1_000_000_000]);
  told.of = [];
  chain.block();
  assert.equal([...chain.staking.SlashWaits.keys()].length, 0);
  for (const i of few.keys()) assert.equal(bonded(chain, somebody(`behind ${i}`)), 0n);
});

test('a report says that it may slash a third of all seats, and fits into a block', () => {
  const declared = [Slots, grandpa(STAKED_VOTERS)].map(({ calls }) => calls.report_equivocation?.weight as Weight);
  const most = rw(SLASH_READS * 86, SLASH_WRITES * 86).ref_time;
  for (const { ref_time } of declared) {
    assert.ok(ref_time >= most);
    assert.ok(ref_time <= (DEFAULT_SPEC.blockWeightPs * 3n) / 10n);
  }
});
