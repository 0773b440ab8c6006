/**
 * # Anything: whatever stakers call, whoever offends, no unit appears or vanishes and every invariant holds.
 *
 * Each run is a fresh chain through the real runtime: blocks are built, executed again and checked by all invariants
 * and the supply audit. `STAKE_RUNS` asks for more runs than CI has time for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { must } from '../../../src/base/assert.ts';
import { littleEndian } from '../../../src/base/bytes.ts';
import type { Chain } from '../../../src/runtime/chain.ts';
import { ComputePowDeclared } from '../../../src/runtime/pallets/compute-pow.ts';
import { reportOffence } from '../../../src/runtime/pallets/offences.ts';
import { RewardsDeclared } from '../../../src/runtime/pallets/rewards.ts';
import { noteActive, noteAuthor, shareIncome } from '../../../src/runtime/pallets/staking.ts';
import { ERA, type Somebody, STAKING, StakeChain, somebody, UNIT } from './stake-chain.ts';

const PEOPLE = Array.from({ length: 9 }, (_, i) => somebody(`person ${i}`));
const who = fc.nat(PEOPLE.length - 1).map((i) => must(PEOPLE[i], 'a person'));
const amount = fc.oneof(fc.bigInt(0n, 400n), fc.bigInt(0n, 20_000n)).map((units) => units * UNIT);
/** What somebody can lock who bonded as little as the first validators. */
const small = fc.bigInt(10n, 80n).map((units) => units * UNIT);
const id = (one: Somebody) => ({ type: 'Id', value: one.account });
const some = (max: number) => fc.uniqueArray(who, { maxLength: max });

type Act =
  | { readonly type: 'call'; readonly by: Somebody; readonly name: string; readonly args: Record<string, unknown> }
  | { readonly type: 'wait'; readonly blocks: number }
  | { readonly type: 'offend'; readonly by: readonly Somebody[]; readonly back: number; readonly slot: number }
  | { readonly type: 'hear'; readonly of: readonly Somebody[] };

const asked = (name: string, args: fc.Arbitrary<Record<string, unknown>>): fc.Arbitrary<Act> =>
  fc.record({ type: fc.constant('call' as const), by: who, name: fc.constant(name), args });

const payee = fc.constantFrom({ type: 'Staked', value: undefined }, { type: 'Stash', value: undefined });
const acts: fc.Arbitrary<Act> = fc.oneof(
  asked('Staking.bond', fc.record({ value: amount, payee })),
  asked('Staking.bond_extra', fc.record({ max_additional: amount })),
  asked('Staking.unbond', fc.record({ value: amount })),
  asked('Staking.rebond', fc.record({ value: amount })),
  asked('Staking.withdraw_unbonded', fc.constant({ num_slashing_spans: 0 })),
  asked('Staking.validate', fc.record({ prefs: fc.record({ commission: fc.constant(0), blocked: fc.boolean() }) })),
  asked(
    'Staking.nominate',
    some(4).map((targets) => ({ targets: targets.map(id) })),
  ),
  asked('Staking.chill', fc.constant({})),
  asked(
    'Staking.kick',
    some(3).map((list) => ({ who: list.map(id) })),
  ),
  asked('Staking.pledge', fc.record({ amount: small, days: fc.integer({ min: 30, max: 40 }) })),
  asked('Staking.end_pledge', fc.record({ index: fc.nat(2) })),
  asked('Staking.claim_income', fc.constant({})),
  asked('Staking.claim', fc.record({ who: fc.nat(1).map((i) => must(PEOPLE[i], 'a person').account), era: fc.nat(2) })),
  asked('Session.purge_keys', fc.constant({})),
  fc.record({ type: fc.constant('wait' as const), blocks: fc.integer({ min: 1, max: ERA }) }),
  fc.record({ type: fc.constant('wait' as const), blocks: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    type: fc.constant('offend' as const),
    by: fc.oneof(some(3), fc.subarray(PEOPLE.slice(0, 4), { minLength: 1, maxLength: 2 })),
    back: fc.oneof(fc.nat(1), fc.nat(2 * STAKING.sessionsPerEra)),
    slot: fc.nat(2),
  }),
  fc.record({ type: fc.constant('hear' as const), of: some(5) }),
);

/** What other pallets do in a block: reports, authors, income. */
class World {
  heard: readonly Somebody[] = PEOPLE.slice(0, 7);
  offence: Extract<Act, { type: 'offend' }> | undefined;

  step(at: Chain): void {
    const { state } = at.use(RewardsDeclared);
    state.AuthorsPot.put(60n * UNIT);
    const part = shareIncome(at, 5n * UNIT);
    state.Pool.mutate((pool) => pool - part);
    for (const { account } of this.heard) noteActive(at, account);
    const author = this.heard[at.block.number % Math.max(1, this.heard.length)];
    if (author !== undefined) noteAuthor(at, author.account);
    // A beacon as won blocks leave it: without it there are no seats by lot.
    at.use(ComputePowDeclared).state.Beacon.put(at.block.number, littleEndian(BigInt(at.block.number), 32));
    if (this.offence === undefined) return;
    const { by, back, slot } = this.offence;
    const session = Math.max(0, Math.floor((at.block.number - 1) / STAKING.sessionBlocks) - back);
    const offenders = by.map(({ account }) => account);
    const timeSlot = Uint8Array.of(session, slot);
    reportOffence(at, { kind: 'slots:equivoc', session, timeSlot, offenders, reporter: PEOPLE[0]?.account });
  }
}

function play(list: readonly Act[]): StakeChain {
  const world = new World();
  const chain = new StakeChain({
    keyed: PEOPLE.slice(0, 7),
    bootstrap: PEOPLE.slice(5, 7),
    stakers: [
      ...PEOPLE.slice(0, 4).map((one, i) => [one, BigInt(50 + 10 * i) * UNIT, 'Validator'] as const),
      [must(PEOPLE[7], 'a voter'), 100n * UNIT, PEOPLE.slice(0, 2)],
    ],
    endowed: PEOPLE,
    staking: { splitsPay: true, seats: 5, lots: 1, bootstrapTarget: 600n * UNIT },
    // A day is a block: time locks end within a run.
    spec: { blockTimeMs: 86_400_000 },
    hook: (at) => world.step(at),
  });
  for (const act of list) {
    world.offence = undefined;
    if (act.type === 'hear') world.heard = act.of;
    if (act.type === 'offend') world.offence = act;
    if (act.type === 'call') chain.tries([act.by, act.name, act.args]);
    else for (let i = 0; i < (act.type === 'wait' ? act.blocks : 1); i++) chain.block();
  }
  return chain;
}

const RUNS = Number(process.env.STAKE_RUNS ?? 8);

test('whatever is called and reported, the supply is exact and every invariant holds after every block', () => {
  let turned = 0;
  fc.assert(
    fc.property(fc.array(acts, { minLength: 10, maxLength: 40, size: 'max' }), (list) => {
      const chain = play(list);
      turned += chain.session.CurrentIndex.get();
      const stakers = [...chain.staking.Ledger.entries()];
      for (const [account, ledger] of stakers) {
        const held = chain.balances.Holds.get(account).reduce((sum, one) => sum + one.amount, 0n);
        assert.equal(held, ledger.total);
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(turned > RUNS, 'sessions turned');
});
