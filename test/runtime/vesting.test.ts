/** # Vesting: units that are one's own and come free block by block. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../src/base/bytes.ts';
import { reader } from '../../src/runtime/access.ts';
import { Vesting } from '../../src/runtime/pallets/vesting.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { alice, bob, call, carol, names, transferCall, UNIT } from './test-chain.ts';
import { asRoot, aTransfer, byAnyone, fieldsOf, id, member, WalletChain, whateverIsCalled } from './wallet-chain.ts';

const LEAST = 100n * DEFAULT_SPEC.existentialDeposit;
const someone = new Uint8Array(32).fill(0x5a);

const schedule = (locked: bigint, per_block: bigint, starting_block: number) => ({ locked, per_block, starting_block });
const vested = (target: Bytes, of: ReturnType<typeof schedule>) =>
  call('Vesting', 'vested_transfer', { target: id(target), schedule: of });
const vestOther = (target: Bytes) => call('Vesting', 'vest_other', { target: id(target) });
const frozen = (chain: WalletChain, who: Bytes) => chain.system.Account.get(who).data.frozen;
const until = (chain: WalletChain, block: number) => {
  while (chain.header.number < block) chain.block();
};

test('what is vested comes free block by block, by whoever asks', () => {
  const chain = new WalletChain();
  chain.does(alice, vested(bob.accountId, schedule(10n * UNIT, UNIT, 5)));
  assert.equal(frozen(chain, bob.accountId), 10n * UNIT);
  until(chain, 7);
  const events = chain.does(carol, vestOther(bob.accountId));
  // Block 8: three units are free.
  assert.deepEqual(fieldsOf(events, 'Vesting.VestingUpdated'), { account: bob.accountId, unvested: 7n * UNIT });
  assert.equal(frozen(chain, bob.accountId), 7n * UNIT);
  until(chain, 14);
  assert.ok(names(chain.does(bob, call('Vesting', 'vest'))).includes('Vesting.VestingCompleted'));
  assert.equal(frozen(chain, bob.accountId), 0n);
  assert.equal(reader(Vesting, chain.tree).Vesting.has(bob.accountId), false);
  assert.equal(chain.make(bob, call('Vesting', 'vest')).error, 'Vesting.NotVesting');
});

test('what is not free yet cannot be spent', () => {
  const chain = new WalletChain();
  chain.does(alice, vested(bob.accountId, schedule(500n * UNIT, UNIT, 100)));
  const all = chain.free(bob.accountId);
  const spend = transferCall('transfer_allow_death', carol.accountId, all - 400n * UNIT);
  assert.equal(chain.make(bob, spend).error, 'Token.Frozen');
});

test('schedules that are worth little, never end or are too many are refused', () => {
  const chain = new WalletChain();
  assert.equal(chain.make(alice, vested(bob.accountId, schedule(LEAST - 1n, 1n, 0))).error, 'Vesting.AmountLow');
  const never = vested(bob.accountId, schedule(LEAST, 0n, 0));
  assert.equal(chain.make(alice, never).error, 'Vesting.InvalidScheduleParams');
  const one = vested(someone, schedule(LEAST, 1n, 0));
  chain.does(alice, call('Utility', 'batch_all', { calls: Array.from({ length: 28 }, () => one) }));
  assert.equal(chain.make(alice, one).error, 'Vesting.AtMaxVestingSchedules');
});

test('two schedules merged lock as much and end when the later one would', () => {
  const chain = new WalletChain();
  chain.does(alice, vested(bob.accountId, schedule(10n * UNIT, UNIT, 2)));
  chain.does(alice, vested(bob.accountId, schedule(40n * UNIT, 2n * UNIT, 6)));
  const merge = (a: number, b: number) =>
    call('Vesting', 'merge_schedules', { schedule1_index: a, schedule2_index: b });
  assert.equal(chain.make(bob, merge(0, 2)).error, 'Vesting.ScheduleIndexOutOfBounds');
  chain.does(bob, merge(0, 1));
  // Block 4: the first locks 8 units until 12, the second 40 from 6 to 26.
  assert.deepEqual(reader(Vesting, chain.tree).Vesting.get(bob.accountId), [
    { locked: 48n * UNIT, per_block: (48n * UNIT) / 20n, starting_block: 6 },
  ]);
  assert.equal(frozen(chain, bob.accountId), 48n * UNIT);
});

test('root vests in the name of others and ends schedules', () => {
  const chain = new WalletChain();
  const of = schedule(10n * UNIT, UNIT, 50);
  const parties = { source: id(alice.accountId), target: id(someone) };
  const force = call('Vesting', 'force_vested_transfer', { ...parties, schedule: of });
  assert.equal(chain.make(bob, force).error, 'BadOrigin');
  chain.does(bob, asRoot(force));
  assert.equal(frozen(chain, someone), 10n * UNIT);
  const end = (schedule_index: number) =>
    asRoot(call('Vesting', 'force_remove_vesting_schedule', { target: id(someone), schedule_index }));
  assert.equal(chain.make(bob, end(1)).error, 'Vesting.InvalidScheduleParams');
  chain.does(bob, end(0));
  assert.equal(frozen(chain, someone), 0n);
});

test('whatever is vested, merged and spent, the locks and the supply stay exact', () => {
  const aSchedule = fc.record({
    locked: fc.bigInt(LEAST / 2n, 4n * UNIT),
    per_block: fc.oneof(fc.bigInt(0n, UNIT), fc.bigInt(0n, 1n << 127n)),
    starting_block: fc.nat(8),
  });
  const calls = fc.oneof(
    aTransfer,
    fc.tuple(member, aSchedule).map(([to, of]) => vested(to.accountId, of)),
    member.map(({ accountId }) => vestOther(accountId)),
    fc
      .tuple(fc.nat(3), fc.nat(3))
      .map(([schedule1_index, schedule2_index]) =>
        call('Vesting', 'merge_schedules', { schedule1_index, schedule2_index }),
      ),
  );
  whateverIsCalled(byAnyone(calls));
});
