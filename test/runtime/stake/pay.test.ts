/** # Pay of validators and their voters, and the income of time locks: the worked examples of FEATURES.md 6.6. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { clamp, PERBILL } from '../../../src/base/fixed.ts';
import type { Chain } from '../../../src/runtime/chain.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { claimsOf, splitPay } from '../../../src/runtime/pallets/staking/pay.ts';
import { pledgeMultiplier, stakersPart } from '../../../src/runtime/pallets/staking/pledges.ts';
import { noteActive, noteAuthor, StakingDeclared, shareIncome } from '../../../src/runtime/pallets/staking.ts';
import { names } from '../test-chain.ts';
import { ERA, errorOf, type Somebody, STAKING, StakeChain, somebody, UNIT } from './stake-chain.ts';

const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');
const [winner, loser] = [somebody('votes for a winner'), somebody('votes for a loser')];

test('a pot of 100 is divided 50, 30, 8 and 12', () => {
  const { producers, winnersVoters, losers, losersVoters } = splitPay(100n);
  assert.deepEqual([producers, winnersVoters, losers, losersVoters], [50n, 30n, 8n, 12n]);
});

test('the parts sum to the pot, and producers have at least as much as any other', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 100n), (pot) => {
      const { producers, winnersVoters, losers, losersVoters } = splitPay(pot);
      assert.equal(producers + winnersVoters + losers + losersVoters, pot);
      assert.ok([winnersVoters, losers, losersVoters].every((part) => part <= producers && part >= 0n));
    }),
  );
});

test('a lock counts once at 30 days, three times at four years, and never less for lasting longer', () => {
  assert.equal(pledgeMultiplier(30), PERBILL);
  assert.equal(pledgeMultiplier(365), 1_468_531_468n);
  assert.equal(pledgeMultiplier(1_460), 3n * PERBILL);
  fc.assert(
    fc.property(fc.nat(3_000), fc.nat(3_000), (a, b) => {
      if (a <= b) assert.ok(pledgeMultiplier(a) <= pledgeMultiplier(b));
      assert.equal(pledgeMultiplier(a), pledgeMultiplier(Number(clamp(BigInt(a), 30n, 1_460n))));
    }),
  );
});

/** A chain on which `hook` runs in each block; what it takes comes out of the pool. */
const chainOf = (hook: (at: Chain) => void, staking = {}, extra: readonly Somebody[] = []) =>
  new StakeChain({
    keyed: V,
    stakers: [
      ...V.map((who) => [who, 100n * UNIT, 'Validator'] as const),
      [winner, 300n * UNIT, V.slice(0, 2)],
      [loser, 60n * UNIT, [v(3)]],
    ],
    endowed: extra,
    staking,
    hook,
    endowment: 100_000n * UNIT,
    spec: { blockTimeMs: 86_400_000, eraBlocks: 6 },
  });

test('income is shared by amount and time: 102,000 of a million, as in the example', () => {
  const people = ['X', 'Y', 'Z', 'Q'].map(somebody);
  let income = 0n;
  const chain = chainOf(
    (at) => {
      const part = shareIncome(at, income);
      at.use(RewardsDeclared).state.Pool.mutate((pool) => pool - part);
    },
    {},
    people,
  );
  const bonds = [10_000n, 10_000n, 10_000n, 30_000n].map((amount) => amount * UNIT);
  const days = [30, 365, 1_460, 30];
  const payee = { type: 'Stash', value: undefined };
  chain.does(...people.map((who, i) => [who, 'Staking.bond', { value: bonds[i], payee }] as const));
  chain.does(...people.map((who, i) => [who, 'Staking.pledge', { amount: bonds[i], days: days[i] }] as const));
  income = 1_000_000n * UNIT;
  assert.equal(stakersPart(income), 102_000n * UNIT);
  chain.block();
  income = 0n;
  const earned = people.map((who) => {
    const built = chain.does([who, 'Staking.claim_income', {}]);
    return must(
      built.events.find(({ value }) => value.type === 'Rewarded'),
      'pay',
    ).value.value.amount as bigint;
  });
  const cents = earned.map((amount) => (amount + UNIT / 200n) / (UNIT / 100n));
  assert.deepEqual(cents, [1_204_459n, 1_768_786n, 3_613_377n, 3_613_377n]);
  assert.ok(chain.staking.Income.get() < 10n);
});

test('what is locked for a time cannot be unbonded before, and the lock ends only then', () => {
  const chain = chainOf(() => {});
  const tries = (name: string, args: Readonly<Record<string, unknown>>) =>
    errorOf(chain, StakingDeclared, chain.tries([winner, name, args]));
  assert.equal(tries('Staking.pledge', { amount: 200n * UNIT, days: 29 }), 'BadDuration');
  assert.equal(tries('Staking.pledge', { amount: 301n * UNIT, days: 30 }), 'InsufficientBond');
  // A block is a day long here.
  assert.equal(tries('Staking.pledge', { amount: 200n * UNIT, days: 30 }), undefined);
  assert.equal(tries('Staking.unbond', { value: 101n * UNIT }), 'Pledged');
  assert.equal(tries('Staking.unbond', { value: 100n * UNIT }), undefined);
  assert.equal(tries('Staking.end_pledge', { index: 0 }), 'NoPledge');
  chain.to(chain.number + 30);
  assert.equal(tries('Staking.end_pledge', { index: 0 }), undefined);
  assert.equal(tries('Staking.unbond', { value: 190n * UNIT }), undefined);
});

test('an era pays producers, losers and their voters, each once, and the rest goes back to the pool', () => {
  const author = { now: undefined as Uint8Array | undefined };
  const chain = chainOf(
    (at) => {
      if (author.now === undefined) return;
      // What an era of work left for authors.
      at.use(RewardsDeclared).state.AuthorsPot.put(6_000n * UNIT);
      noteAuthor(at, author.now);
    },
    { splitsPay: true, seats: 3 },
  );
  chain.toEra(1);
  const seated = chain.staking.ErasSeats.get(1).map(({ who }) => who);
  // v2 bonds as much as nobody votes for; v3 has votes of its own: who is out depends on stake alone.
  assert.equal(seated.length, 3);
  const out = must(
    V.find((one) => !seated.some((who) => who.join() === one.account.join())),
    'a loser',
  );
  assert.deepEqual(out, v(2));
  author.now = seated[0];
  for (let i = 0; i < 6; i++) chain.block();
  author.now = undefined;
  chain.toEra(2);
  // Six blocks of 6,000 / 6.
  assert.equal(chain.staking.ErasPay.get(1)?.pot, 6_000n * UNIT);
  const sums = chain.staking.ErasVoteSums.get(1);
  // v2 voted for itself alone: loser and voter of a loser.
  assert.deepEqual(sums, { winners_stake: 660n * UNIT, losers_votes: 100n * UNIT, losers_stake: 100n * UNIT });
  const parts = claimsOf(6_000n * UNIT, 6, sums);
  const claim = (who: Somebody, era = 1) => {
    const built = chain.tries([v(1), 'Staking.claim', { who: who.account, era }]);
    const paid = built.events.find(({ value }) => value.type === 'Rewarded')?.value.value.amount as bigint | undefined;
    return paid ?? errorOf(chain, StakingDeclared, built);
  };
  const producer = must(
    V.find((one) => one.account.join() === seated[0]?.join()),
    'the producer',
  );
  const ofVoters = (stake: bigint) => (parts.winnersVoters * stake) / sums.winners_stake;
  assert.equal(claim(producer), parts.producers + ofVoters(100n * UNIT));
  assert.equal(claim(producer), 'AlreadyClaimed');
  assert.equal(claim(winner), ofVoters(300n * UNIT));
  assert.equal(claim(loser), ofVoters(60n * UNIT));
  assert.equal(claim(v(2)), parts.losers + parts.losersVoters);
  assert.equal(claim(winner, 2), 'InvalidEraToReward');
  assert.equal(claim(somebody('X')), 'NothingDue');
  // What two validators did not take goes back when the era is forgotten.
  const left = must(chain.staking.ErasPay.get(1), 'pay').left;
  assert.ok(left > 0n && left === chain.staking.PayHeld.get());
  const pool = chain.rewards.Pool.get();
  chain.toEra(STAKING.bondingEras + 2);
  chain.to(chain.number + 3);
  assert.equal(chain.staking.PayHeld.get(), 0n);
  assert.ok(chain.rewards.Pool.get() >= pool + left);
});

test('nobody is paid again while his era is being forgotten', () => {
  const visitors = Array.from({ length: 100 }, (_, i) => somebody(`visitor ${i}`).account);
  const chain = chainOf(
    (at) => {
      at.use(RewardsDeclared).state.AuthorsPot.put(600n * UNIT);
      noteAuthor(at, v(at.block.number % 4).account);
      // More than a block forgets, and after those who were paid.
      if (at.block.number === 1) for (const who of visitors) noteActive(at, who);
    },
    { splitsPay: true },
  );
  chain.toEra(1);
  chain.does(...V.map((who) => [who, 'Staking.claim', { who: who.account, era: 0 }] as const));
  chain.to(ERA * (STAKING.bondingEras + 1));
  assert.ok(chain.staking.ErasPay.has(0));
  const tries = () => {
    const built = chain.tries(...V.map((who) => [who, 'Staking.claim', { who: who.account, era: 0 }] as const));
    return V.map((_, i) => errorOf(chain, StakingDeclared, built, i));
  };
  let blocks = 0;
  for (; chain.staking.Forgotten.get() === 0; blocks++)
    assert.deepEqual(new Set(tries()), new Set(['InvalidEraToReward']));
  assert.ok(blocks > 1, 'an era that one block forgets');
  assert.deepEqual(new Set(tries()), new Set(['InvalidEraToReward']));
});

test('where nobody lost, what losers would have had goes back to the pool', () => {
  const chain = chainOf(
    (at) => {
      at.use(RewardsDeclared).state.AuthorsPot.put(600n * UNIT);
      noteAuthor(at, v(0).account);
    },
    { splitsPay: true },
  );
  chain.to(ERA);
  const events = chain.block().events.filter(({ type }) => type === 'Staking');
  const paid = must(
    events.find(({ value }) => value.type === 'EraPaid'),
    'the pay of era 0',
  ).value.value;
  const pot = 100n * UNIT * BigInt(ERA);
  assert.deepEqual([paid.validator_payout, paid.remainder], [(pot * 80n) / 100n, (pot * 20n) / 100n]);
});

test('a validator that was not heard for an era stands no more; where nobody was heard, all do', () => {
  const heard = { of: [] as Uint8Array[] };
  const chain = chainOf((at) => {
    for (const who of heard.of) noteActive(at, who);
  });
  chain.toEra(1);
  assert.equal(chain.names(V).length, 4);
  heard.of = [v(0), v(1), v(3)].map(({ account }) => account);
  chain.block();
  chain.to(2 * ERA);
  assert.ok(names(chain.block().events).includes('Staking.SilentLeft'));
  assert.deepEqual(chain.names(V).sort(), ['0', '1', '3']);
  assert.equal(chain.staking.Validators.has(v(2).account), false);
});
