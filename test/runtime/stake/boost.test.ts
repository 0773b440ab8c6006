/** # Boost: stake adds to work within bounds, and nobody gains by being two. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { PERBILL } from '../../../src/base/fixed.ts';
import { boostedWinsAllowed, boostOf, NO_BOOST, type Shares, winsWithin, withWin } from '../../../src/runtime/boost.ts';
import * as compute from '../../../src/runtime/compute-view.ts';
import { nextKappa, score } from '../../../src/runtime/economy.ts';
import {
  recordStake,
  settledStakingEra,
  stakeSnapshot,
  totalStakeSnapshot,
} from '../../../src/runtime/pallets/staking/snapshot.ts';
import { ComputeChain, person, SPEC, smallJob, UNIT } from '../compute-chain.ts';
import { ERA, StakeChain, somebody } from './stake-chain.ts';

const BETA = 250_000n;
const amount = fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 10n ** 20n));
const work = fc.oneof(fc.bigInt(0n, 20n), fc.bigInt(0n, 10n ** 9n));
const floor = fc.bigInt(0n, 10n ** 5n);

/** Boosted work in millionths of a CU: what the account's tickets are worth together. */
const worth = (shares: Shares, floorCu: bigint, betaPpm = BETA) =>
  shares.work * BigInt(boostOf(shares, floorCu, betaPpm));

test('a boost is between 1 and 1.5 whatever the population, and 1 without stake or without work anywhere', () => {
  fc.assert(
    fc.property(amount, amount, work, work, floor, fc.bigInt(0n, 10n ** 7n), (stake, rest, own, others, low, beta) => {
      const shares = { stake, stakes: stake + rest, work: own, works: own + others };
      const boost = boostOf(shares, low, beta);
      assert.ok(boost >= NO_BOOST && boost <= 1_500_000, `${boost}`);
      if (stake === 0n || own + others === 0n) assert.equal(boost, NO_BOOST);
      assert.equal(boostOf({ ...shares, stakes: 0n }, low, beta), NO_BOOST);
    }),
  );
});

test('splitting work and stake among identities never gains tickets', () => {
  const part = fc.tuple(amount, work);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), amount, work, floor, (parts, rest, others, low) => {
      const stake = parts.reduce((sum, [s]) => sum + s, 0n);
      const own = parts.reduce((sum, [, w]) => sum + w, 0n);
      const all = { stakes: stake + rest, works: own + others };
      const split = parts.reduce((sum, [s, w]) => sum + worth({ stake: s, work: w, ...all }, low), 0n);
      // Flooring takes less than a millionth of a CU from the whole for each CU of it.
      assert.ok(split <= worth({ stake, work: own, ...all }, low) + own, `${split}`);
    }),
    { numRuns: 500 },
  );
});

test('all work through one whale: its boost is the smaller, the more of the work it has', () => {
  const boosts = [1n, 2n, 4n, 8n].map((own) =>
    boostOf({ stake: 500n, stakes: 1_000n, work: own * 1_000n, works: 8_000n }, 0n, BETA),
  );
  assert.deepEqual(boosts, [1_250_000, 1_250_000, 1_250_000, 1_125_000]);
});

test('boosted wins of 24 eras are the share of stake, and splitting it gives no more of them', () => {
  fc.assert(
    fc.property(
      fc.array(amount, { minLength: 1, maxLength: 5 }),
      amount,
      fc.integer({ min: 1, max: 300 }),
      (list, rest, era) => {
        const stake = list.reduce((sum, one) => sum + one, 0n);
        const allowed = (one: bigint) =>
          boostedWinsAllowed({ stake: one, stakes: stake + rest, work: 0n, works: 0n }, era);
        assert.ok(list.reduce((sum, one) => sum + allowed(one), 0n) <= allowed(stake));
        assert.ok(allowed(stake) <= BigInt(24 * era));
      },
    ),
  );
  let wins = withWin([], 3);
  for (const era of [3, 4, 26, 27]) wins = withWin(wins, era);
  assert.deepEqual(wins, [
    { era: 4, wins: 1 },
    { era: 26, wins: 1 },
    { era: 27, wins: 1 },
  ]);
  assert.equal(winsWithin(wins, 27), 3n);
  assert.equal(winsWithin(wins, 28), 2n);
});

test('splitting never gains in scores either, and without work a score is nothing whatever the stake', () => {
  const part = fc.tuple(amount, work);
  const rate = fc.bigInt(250_000_000n, PERBILL);
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.bigInt(1n, 10n ** 12n),
      rate,
      (parts, kappa, reputation) => {
        const of = (stake: bigint, own: bigint) =>
          score({ work: own, stake, kappa, betaPerbill: 250_000_000n, reputation, tier: PERBILL });
        const [stake, own] = parts.reduce(([s, w], [ds, dw]) => [s + ds, w + dw], [0n, 0n]);
        assert.ok(parts.reduce((sum, [s, w]) => sum + of(s, w), 0n) <= of(stake, own));
        assert.equal(of(stake, 0n), 0n);
        assert.ok(of(stake, own) <= (own * 5n) / 4n);
      },
    ),
  );
  assert.equal(nextKappa(0n, 100n), 1n);
  assert.equal(nextKappa(1_000n, 100n), 10n);
});

test('a snapshot of an era that is over never changes, and is the stake at its end', () => {
  const people = [somebody('one'), somebody('two'), somebody('three')];
  const change = fc.tuple(fc.nat(2), fc.bigInt(0n, 1_000n), fc.integer({ min: 0, max: ERA }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      // The rule alone, with stakes that jump as no bond may: the list must hold for any of them.
      const jumps = new Map<number, [number, bigint][]>();
      let at = 1;
      for (const [who, stake, later] of changes) {
        at += later;
        jumps.set(at, [...(jumps.get(at) ?? []), [who, stake]]);
      }
      const said = new Map<string, bigint>();
      const now = [0n, 0n, 0n];
      const state = { number: 0 };
      const chain = fakeScope(state);
      for (let number = 1; number <= at + 3 * ERA; number++) {
        state.number = number;
        for (const [who, stake] of jumps.get(number) ?? []) {
          recordStake(chain, must(people[who], 'a person').account, stake, stake - must(now[who], 'a stake'));
          now[who] = stake;
        }
        if (number % ERA === 0) for (const [i, stake] of now.entries()) said.set(`${number / ERA - 1}/${i}`, stake);
        const era = settledStakingEra(number, chain.spec);
        if (era < 0) continue;
        for (const [i, { account }] of people.entries())
          assert.equal(stakeSnapshot(chain.state, era, account), said.get(`${era}/${i}`));
        const total = people.reduce((sum, _, i) => sum + must(said.get(`${era}/${i}`), 'a stake'), 0n);
        assert.equal(totalStakeSnapshot(chain.state, era), total);
      }
    }),
    { numRuns: 40 },
  );
});

const { spec } = new StakeChain().runtime;

/** What `recordStake` touches, in memory. */
function fakeScope(state: { number: number }): Parameters<typeof recordStake>[0] {
  type List = { since: number; stake: bigint }[];
  const lists = new Map<string, List>();
  const all: { list: List; sum: bigint } = { list: [], sum: 0n };
  const scope = {
    get block() {
      return { number: state.number };
    },
    spec,
    state: {
      StakeAt: {
        get: (who: Uint8Array) => lists.get(who.join()) ?? [],
        put: (who: Uint8Array, list: List) => lists.set(who.join(), list),
        delete: (who: Uint8Array) => lists.delete(who.join()),
      },
      TotalBonded: { mutate: (change: (sum: bigint) => bigint) => (all.sum = change(all.sum)) },
      TotalStakeAt: {
        get: () => all.list,
        mutate: (change: (list: List) => List) => (all.list = change(all.list)),
      },
    },
  };
  return scope as unknown as Parameters<typeof recordStake>[0];
}

const SMALL = { ...SPEC.staking, sessionBlocks: 5, sessionsPerEra: 4, boostFloorCu: 1n };
const [staker, other] = [person('author 0'), person('author 1')];
const idle = person('idle');
const chainOf = (bonds: readonly (readonly [Uint8Array, bigint])[], staking = SMALL) =>
  new ComputeChain({
    jobs: [smallJob(0)],
    balances: bonds.map(([who, bond]) => [who, 2n * bond] as const),
    bonds,
    spec: { staking },
  });
const boostNow = (chain: ComputeChain, who: Uint8Array) =>
  must(compute.sealAuthor(chain.view, who, chain.runtime.spec), 'an author').boostPpm;

test('an author with stake is boosted from the last settled era’s snapshot on, one without never', () => {
  const chain = chainOf([
    [staker.account, 400n * UNIT],
    [idle.account, 600n * UNIT],
  ]);
  const seen: [number, number][] = [];
  while (chain.number < 5 * SPEC.eraBlocks) {
    chain.live();
    assert.equal(boostNow(chain, other.account), NO_BOOST);
    seen.push([chain.number, boostNow(chain, staker.account)]);
  }
  const first = must(
    seen.find(([, boost]) => boost > NO_BOOST),
    'a boost',
  );
  // An era counts once the block that paid it is settled.
  const worked = [...chain.rewards.Eras.entries()].filter(([, { work: w }]) => w > 0n).map(([era]) => era);
  const era = Math.min(...worked);
  assert.equal(first[0] + 1, (era + 1) * SPEC.eraBlocks + 1 + SPEC.settleDepth);
  const shares = {
    stake: 400n * UNIT,
    stakes: 1_000n * UNIT,
    work: compute.explain(chain.view, chain.runtime.spec, staker.account, 3).work,
    works: must(compute.eraRecord(chain.view, 3), 'era 3').work,
  };
  assert.equal(seen.at(-1)?.[1], boostOf(shares, 1n, BETA));
});

test('boosted wins stop at the share of stake, and the next ones count plain', () => {
  // 24 * 20 * 12/480 = 12 wins.
  const chain = chainOf([
    [staker.account, 12n * 100n * UNIT],
    [idle.account, 468n * 100n * UNIT],
  ]);
  let boosted = 0;
  while (chain.number < 8 * SPEC.eraBlocks) {
    if (boostNow(chain, staker.account) > NO_BOOST) boosted++;
    chain.live({ winner: staker });
  }
  assert.ok(boosted >= 10 && boosted <= 12, `${boosted}`);
  const list = chain.pow.BoostedWins.get(staker.account);
  const counted = list.reduce((sum, { wins }) => sum + wins, 0);
  assert.ok(counted >= boosted && counted <= 12, `${counted}`);
});

test('an era pays by work and stake as the formula says; who only stakes is paid nothing', () => {
  const chain = chainOf([
    [staker.account, 400n * UNIT],
    [idle.account, 600n * UNIT],
  ]);
  chain.run(6 * SPEC.eraBlocks + 1);
  const { spec } = chain.runtime;
  const record = must(compute.eraRecord(chain.view, 5), 'era 5');
  assert.ok(record.kappa > 0n && record.work > 0n);
  const [a, b] = [staker, other].map(({ account }) => compute.explain(chain.view, spec, account, 5));
  for (const one of [must(a, 'one'), must(b, 'two')]) {
    const { work: own, stake, reputation } = one;
    const due = score({ work: own, stake, kappa: record.kappa, betaPerbill: 250_000_000n, reputation, tier: PERBILL });
    assert.equal(one.score, due);
  }
  assert.deepEqual([a?.stake, b?.stake], [400n * UNIT, 0n]);
  assert.ok(must(a, 'one').score > (must(a, 'one').work * must(a, 'one').reputation) / PERBILL);
  const { score: nothing, work: none, stake } = compute.explain(chain.view, spec, idle.account, 5);
  assert.deepEqual([nothing, none, stake], [0n, 0n, 600n * UNIT]);
  assert.deepEqual(chain.rewards.Earned.get(idle.account), { compute: 0n, author: 0n, check: 0n });
});
