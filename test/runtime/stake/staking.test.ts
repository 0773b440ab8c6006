/** # Staking: bonds, votes, elections and eras, through the real runtime. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { ConfigError } from '../../../src/runtime/config.ts';
import { VOTER_PAGE } from '../../../src/runtime/pallets/staking/types.ts';
import { StakingDeclared } from '../../../src/runtime/pallets/staking.ts';
import { names } from '../test-chain.ts';
import { ERA, errorOf, type Somebody, STAKING, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 6 }, (_, i) => somebody(`validator ${i}`));
const N = Array.from({ length: 4 }, (_, i) => somebody(`nominator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');
const n = (i: number): Somebody => must(N[i], 'a nominator');
const id = (who: Somebody) => ({ type: 'Id', value: who.account });
/** What validators are about in a block. */
const stakeEvents = (chain: StakeChain) =>
  names(chain.block().events).filter((name) => /^(Session|Staking|Offences)/.test(name));
const PREFS = { prefs: { commission: 0, blocked: false } };
const STAKED = { type: 'Staked', value: undefined };

const four = () =>
  new StakeChain({
    keyed: V,
    stakers: [
      ...V.slice(0, 4).map((who) => [who, 100n * UNIT, 'Validator'] as const),
      [n(0), 400n * UNIT, [v(0), v(1)]],
    ],
    endowed: N,
  });

test('a chain without validators has no sessions, no eras and nothing to forget', () => {
  const chain = new StakeChain({ endowed: [n(0)] });
  for (let i = 0; i < 2 * ERA; i++) assert.deepEqual(stakeEvents(chain), []);
  assert.equal(chain.session.CurrentIndex.has(), false);
  assert.equal(chain.staking.CurrentEra.get(), undefined);
});

test('genesis elects: seats, keys, weights by the stake behind them', () => {
  const chain = four();
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2', '3']);
  const seats = chain.session.Seats.get();
  assert.equal(
    seats.reduce((sum, { stake }) => sum + stake, 0n),
    800n * UNIT,
  );
  // Four seats of 10^6 on average, by stake.
  for (const { stake, weight } of seats) assert.equal(weight, (stake * 4_000_000n) / (800n * UNIT));
  assert.equal(chain.staking.ErasRounds.get(0).length, 4);
});

test('bonding, standing and keys lead to a seat in the next era', () => {
  const chain = four();
  chain.does(
    [v(4), 'Staking.bond', { value: 500n * UNIT, payee: STAKED }],
    [v(4), 'Staking.validate', PREFS],
    [n(1), 'Staking.bond', { value: 900n * UNIT, payee: STAKED }],
    [n(1), 'Staking.nominate', { targets: [id(v(4))] }],
  );
  chain.to(ERA);
  assert.ok(!chain.names(V).includes('4'));
  const events = names(chain.block().events);
  assert.ok(events.includes('Staking.StakersElected') && events.includes('Session.NewSession'));
  assert.ok(chain.names(V).includes('4'));
  assert.deepEqual(chain.staking.ErasStakersOverview.get(1, v(4).account), {
    total: 1_400n * UNIT,
    own: 500n * UNIT,
    nominator_count: 1,
    page_count: 1,
  });
  assert.equal(chain.staking.ErasTotalStake.get(1), 2_100n * UNIT);
});

test('what unbonds stays held for the bonding duration, and can be bonded again', () => {
  const chain = four();
  const free = chain.free(n(0).account);
  chain.does([n(0), 'Staking.unbond', { value: 150n * UNIT }]);
  assert.equal(chain.held(n(0)), 400n * UNIT);
  chain.does([n(0), 'Staking.rebond', { value: 50n * UNIT }]);
  assert.equal(chain.staking.Ledger.get(n(0).account)?.active, 300n * UNIT);
  chain.toEra(STAKING.bondingEras - 1);
  chain.does([n(0), 'Staking.withdraw_unbonded', { num_slashing_spans: 0 }]);
  assert.equal(chain.held(n(0)), 400n * UNIT);
  chain.toEra(STAKING.bondingEras);
  chain.does([n(0), 'Staking.withdraw_unbonded', { num_slashing_spans: 0 }]);
  assert.equal(chain.held(n(0)), 300n * UNIT);
  assert.ok(chain.free(n(0).account) > free + 99n * UNIT);
});

test('a vote names each candidate once, and only those that stand', () => {
  const chain = four();
  const refusal = (targets: readonly Somebody[]) =>
    errorOf(chain, StakingDeclared, chain.tries([n(0), 'Staking.nominate', { targets: targets.map(id) }]));
  assert.equal(refusal([v(0), v(1), v(0)]), 'DuplicateTarget');
  assert.equal(refusal([v(5)]), 'BadTarget');
  assert.equal(refusal([]), 'EmptyTargets');
  assert.equal(refusal(Array.from({ length: 17 }, () => v(0))), 'TooManyTargets');
  assert.equal(refusal([v(2)]), undefined);
});

test('less than the least bond neither stands nor votes; who validates keeps it', () => {
  const chain = four();
  const tries = (name: string, args: Readonly<Record<string, unknown>>, who = n(1)) =>
    errorOf(chain, StakingDeclared, chain.tries([who, name, args]));
  assert.equal(tries('Staking.bond', { value: STAKING.minBond - 1n, payee: STAKED }), 'InsufficientBond');
  assert.equal(tries('Staking.validate', PREFS), 'NotController');
  assert.equal(tries('Staking.unbond', { value: 95n * UNIT }, v(0)), 'InsufficientBond');
  assert.equal(tries('Staking.chill', {}, v(0)), undefined);
  assert.equal(tries('Staking.unbond', { value: 95n * UNIT }, v(0)), undefined);
  chain.toEra(1);
  assert.ok(!chain.names(V).includes('0'));
});

test('a validator gives up nominations, and takes no new ones while it is blocked', () => {
  const chain = four();
  chain.does([v(0), 'Staking.kick', { who: [id(n(0))] }], [v(1), 'Staking.kick', { who: [id(n(0))] }]);
  assert.equal(chain.staking.Nominators.has(n(0).account), false);
  chain.does([v(0), 'Staking.validate', { prefs: { commission: 0, blocked: true } }]);
  assert.equal(
    errorOf(chain, StakingDeclared, chain.tries([n(0), 'Staking.nominate', { targets: [id(v(0))] }])),
    'BadTarget',
  );
});

test('bootstrap seats are a part of the seats that shrinks as stake comes', () => {
  const [first, ...others] = V.slice(2);
  const chain = new StakeChain({
    keyed: V,
    bootstrap: [must(first, 'one'), ...others],
    stakers: [
      [v(0), 100n * UNIT, 'Validator'],
      [v(1), 400n * UNIT, 'Idle'],
    ],
  });
  // ceil(4 * (1000 - 500) / 1000) = 2 of four.
  assert.deepEqual(chain.names(V).sort(), ['0', '2', '3']);
  const kinds = chain.staking.ErasSeats.get(0).map(({ kind }) => kind.type);
  assert.deepEqual(kinds, ['Voted', 'Bootstrap', 'Bootstrap']);
  chain.does([v(1), 'Staking.bond_extra', { max_additional: 300n * UNIT }], [v(1), 'Staking.validate', PREFS]);
  chain.toEra(1);
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '2']);
});

test('an election that is too large for its session is abandoned, and those before stay', () => {
  const chain = new StakeChain({
    keyed: V,
    stakers: V.map((who) => [who, 100n * UNIT, 'Validator'] as const),
    staking: { sessionBlocks: 3, sessionsPerEra: 4, pagesPerBlock: 1 },
  });
  const before = chain.names(V);
  chain.to(ERA);
  const events = names(chain.block().events);
  assert.ok(events.includes('Staking.StakingElectionFailed'));
  assert.deepEqual(chain.names(V), before);
  assert.equal(chain.staking.ErasSource.get(1), 0);
  assert.deepEqual(chain.staking.ErasSeats.get(1), chain.staking.ErasSeats.get(0));
});

test('an election takes as many blocks as its pages, and ends as if counted at once', () => {
  const chain = new StakeChain({
    keyed: V,
    stakers: [
      ...V.slice(0, 2).map((who) => [who, 100n * UNIT, 'Validator'] as const),
      ...N.map((who, i) => [who, BigInt(50 + i) * UNIT, [v(i % 2)]] as const),
    ],
    staking: { pagesPerBlock: 2 },
  });
  chain.to(ERA - STAKING.sessionBlocks);
  const phases: (string | undefined)[] = [];
  for (let i = 0; i < STAKING.sessionBlocks; i++) {
    chain.block();
    phases.push(chain.staking.Election.get()?.phase.type);
  }
  // One page: taken for two, read once for each of two seats, shared out for two.
  assert.deepEqual(phases, ['Seating', 'Seating', 'Done', 'Done']);
  const rounds = chain.staking.ErasRounds.get(1);
  assert.deepEqual(rounds, chain.staking.ErasRounds.get(0));
  chain.block();
  assert.equal(chain.staking.Election.get(), undefined);
  assert.deepEqual(stakeEvents(chain), []);
});

test('who changes his bond while voters are taken is taken once, and moves afterwards', () => {
  const many = Array.from({ length: VOTER_PAGE + 40 }, (_, i) => somebody(`of many ${i}`));
  const rich = must(many[0], 'the richest');
  const chain = new StakeChain({
    keyed: V,
    stakers: [
      [v(0), 100n * UNIT, 'Validator'],
      ...many.map((who, i) => [who, i === 0 ? 900n * UNIT : 20n * UNIT, [v(0)]] as const),
    ],
    // The whole era is its last session.
    staking: { sessionBlocks: 8, sessionsPerEra: 1, pagesPerBlock: 2 },
  });
  const before = chain.staking.VoterKeys.get(rich.account);
  // The block takes the first page before its calls are made: the richest stands in it. In the lowest bag he would
  // come again.
  chain.does([rich, 'Staking.unbond', { value: 889n * UNIT }]);
  assert.equal(chain.staking.Election.get()?.phase.type, 'Voters');
  assert.equal(chain.staking.Election.get()?.taken, VOTER_PAGE);
  assert.deepEqual(chain.staking.VoterKeys.get(rich.account), before);
  chain.to(9);
  const { total, nominator_count } = must(chain.staking.ErasStakersOverview.get(1, v(0).account), 'a seat');
  assert.equal(nominator_count, many.length);
  assert.equal(total, (100n + 900n + 20n * BigInt(many.length - 1)) * UNIT);
  assert.notDeepEqual(chain.staking.VoterKeys.get(rich.account), before);
});

test('a genesis that a rule refuses names the staker and the reason', () => {
  const [first, second] = [somebody('genesis-1'), somebody('genesis-2')];
  const refused = (vote: readonly (typeof first)[] | 'Validator', bond: bigint, why: RegExp, keyed = [first]) =>
    assert.throws(
      () =>
        new StakeChain({
          keyed,
          stakers: [
            [first, 100n * UNIT, 'Validator'],
            [second, bond, vote],
          ],
        }),
      (error) => error instanceof ConfigError && why.test(error.message),
    );
  refused([first], 1n, /^genesis: staking\.stakers\[1\]: Staking\.InsufficientBond: /);
  refused([], 100n * UNIT, /^genesis: staking\.stakers\[1\]: Staking\.EmptyTargets: /);
  refused([second], 100n * UNIT, /^genesis: staking\.stakers\[1\]: Staking\.BadTarget: /);
  refused('Validator', 10n ** 30n, /^genesis: staking\.stakers\[1\]: /);
});
