/** # Utility and root: calls within calls, and what only the chain itself may do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyDerived } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { reader } from '../../src/runtime/access.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import { Balances } from '../../src/runtime/pallets/balances.ts';
import { derivative } from '../../src/runtime/pallets/utility.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { alice, bob, call, dave, names, transferCall, UNIT } from './test-chain.ts';
import { asRoot, fieldsOf, id, WalletChain } from './wallet-chain.ts';

const ED = DEFAULT_SPEC.existentialDeposit;
const give = (value: bigint) => transferCall('transfer_keep_alive', dave.accountId, value);
const nothing = call('System', 'remark', { remark: new Uint8Array(1) });

test('a derived account is the one that wallets derive, and its owner disposes of it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(65_535), (who, index) => {
      assert.deepEqual(derivative(who, index), createKeyDerived(who, index));
    }),
  );
  const chain = new WalletChain();
  const derived = derivative(alice.accountId, 5);
  chain.does(bob, transferCall('transfer_keep_alive', derived, 10n * UNIT));
  chain.does(alice, call('Utility', 'as_derivative', { index: 5, call: give(4n * UNIT) }));
  assert.equal(chain.free(derived), 6n * UNIT);
  const stranger = call('Utility', 'as_derivative', { index: 5, call: give(4n * UNIT) });
  assert.equal(chain.make(bob, stranger).error, 'Token.FundsUnavailable');
});

test('if a call fails the other one is made, and the event says why', () => {
  const chain = new WalletChain();
  const ifElse = (main: RuntimeCall, fallback: RuntimeCall) => call('Utility', 'if_else', { main, fallback });
  assert.ok(names(chain.does(alice, ifElse(nothing, give(1n)))).includes('Utility.IfElseMainSuccess'));
  const before = chain.free(dave.accountId);
  const events = chain.does(alice, ifElse(give(10_000n * UNIT), give(UNIT)));
  assert.deepEqual(fieldsOf(events, 'Utility.IfElseFallbackCalled').main_error, {
    type: 'Token',
    value: { type: 'FundsUnavailable' },
  });
  assert.equal(chain.free(dave.accountId), before + UNIT);
  const both = ifElse(give(10_000n * UNIT), call('Balances', 'burn', { value: 10_000n * UNIT, keep_alive: true }));
  assert.equal(chain.make(alice, both).error, 'Token.FundsUnavailable');
});

test('a batch that stopped is charged for what it did', () => {
  const chain = new WalletChain();
  const bad = give(10_000n * UNIT);
  const paid = (calls: readonly RuntimeCall[]) => {
    const events = chain.does(alice, call('Utility', 'batch', { calls }));
    const { actual_fee } = fieldsOf(events, 'TransactionPayment.TransactionFeePaid');
    const { dispatch_info } = fieldsOf(events.slice(-1), 'System.ExtrinsicSuccess');
    return { fee: actual_fee as bigint, weight: (dispatch_info as { weight: { ref_time: bigint } }).weight.ref_time };
  };
  const before = chain.free(alice.accountId);
  const late = paid([give(1n), give(1n), give(1n), bad]);
  const early = paid([bad, give(1n), give(1n), give(1n)]);
  assert.ok(early.fee < late.fee && early.weight < late.weight);
  assert.equal(before - chain.free(alice.accountId), early.fee + late.fee + 3n);
});

test('what only the chain itself may do is refused to every account', () => {
  const chain = new WalletChain();
  const { Call } = chain.runtime;
  const who = id(alice.accountId);
  const origin = { type: 'system', value: { type: 'Root' } };
  for (const of of [
    call('Balances', 'force_transfer', { source: id(bob.accountId), dest: who, value: UNIT }),
    call('Balances', 'force_unreserve', { who, amount: UNIT }),
    call('Balances', 'force_set_balance', { who, new_free: 0n }),
    call('Balances', 'force_adjust_total_issuance', { direction: { type: 'Increase' }, delta: 1n }),
    call('Utility', 'dispatch_as', { as_origin: origin, call: nothing }),
    call('Utility', 'dispatch_as_fallible', { as_origin: origin, call: nothing }),
    call('Utility', 'with_weight', { call: nothing, weight: { ref_time: 1n, proof_size: 0n } }),
  ]) {
    assert.deepEqual(Call.dec(Call.enc(of)).value.type, of.value.type);
    assert.equal(chain.make(alice, of).error, 'BadOrigin', of.value.type);
  }
});

test('root moves and burns, and cannot mint either', () => {
  const chain = new WalletChain();
  const forced = (of: RuntimeCall) => chain.make(alice, asRoot(of));
  const source = id(bob.accountId);
  const before = { bob: chain.free(bob.accountId), dave: chain.free(dave.accountId) };
  forced(call('Balances', 'force_transfer', { source, dest: id(dave.accountId), value: UNIT }));
  assert.equal(chain.free(bob.accountId), before.bob - UNIT);
  assert.equal(chain.free(dave.accountId), before.dave + UNIT);
  const { error, events } = forced(call('Balances', 'force_set_balance', { who: source, new_free: 3n * UNIT }));
  assert.equal(error, undefined);
  assert.deepEqual(fieldsOf(events, 'Balances.BalanceSet'), { who: bob.accountId, free: 3n * UNIT });
  const raise = call('Balances', 'force_set_balance', { who: source, new_free: 3n * UNIT + 1n });
  assert.equal(forced(raise).error, 'Balances.IssuanceDeactivated');
  forced(call('Balances', 'force_set_balance', { who: source, new_free: ED - 1n }));
  assert.equal(chain.system.Account.has(bob.accountId), false);
  for (const type of ['Increase', 'Decrease']) {
    const adjust = (delta: bigint) => call('Balances', 'force_adjust_total_issuance', { direction: { type }, delta });
    assert.equal(forced(adjust(0n)).error, 'Balances.DeltaZero');
    assert.equal(forced(adjust(1n)).error, 'Balances.IssuanceDeactivated');
  }
});

test('root may speak as an account, never as nobody', () => {
  const chain = new WalletChain();
  const dispatchAs = (name: string, value: unknown, of: RuntimeCall) =>
    asRoot(call('Utility', name, { as_origin: { type: 'system', value }, call: of }));
  const asBob = { type: 'Signed', value: bob.accountId };
  const before = chain.free(bob.accountId);
  const said = chain.does(alice, dispatchAs('dispatch_as', asBob, give(UNIT)));
  assert.deepEqual(fieldsOf(said, 'Utility.DispatchedAs').result, { type: 'Ok', value: undefined });
  assert.equal(chain.free(bob.accountId), before - UNIT);
  const failed = chain.does(alice, dispatchAs('dispatch_as', asBob, give(10_000n * UNIT)));
  assert.equal((fieldsOf(failed, 'Utility.DispatchedAs').result as { type: string }).type, 'Err');
  const fallible = dispatchAs('dispatch_as_fallible', asBob, give(10_000n * UNIT));
  assert.equal(chain.make(alice, fallible).error, 'Token.FundsUnavailable');
  assert.equal(chain.make(alice, dispatchAs('dispatch_as', { type: 'None' }, nothing)).error, 'BadOrigin');
  const weighed = call('Utility', 'with_weight', { call: nothing, weight: { ref_time: 5n, proof_size: 0n } });
  chain.does(alice, asRoot(weighed));
});

test('who burns has less, and so has the world', () => {
  const chain = new WalletChain();
  const { TotalIssuance, Burned } = chain.balances;
  const before = { total: TotalIssuance.get(), free: chain.free(alice.accountId) };
  const events = chain.does(alice, call('Balances', 'burn', { value: 2n * UNIT, keep_alive: true }));
  assert.deepEqual(fieldsOf(events, 'Balances.Burned'), { who: alice.accountId, amount: 2n * UNIT });
  assert.equal(chain.balances.TotalIssuance.get(), before.total - 2n * UNIT);
  assert.equal(Burned.get(), 0n);
  assert.equal(chain.balances.Burned.get(), 2n * UNIT);
  const rest = chain.free(alice.accountId) - ED / 2n;
  assert.equal(
    chain.make(alice, call('Balances', 'burn', { value: rest, keep_alive: true })).error,
    'Token.FundsUnavailable',
  );
  chain.does(alice, call('Balances', 'upgrade_accounts', { who: [alice.accountId, dave.accountId] }));
});

test('what is held is reserved, named, and out of the reach of those who free reserves', () => {
  const chain = new WalletChain();
  const note = (size: number) => call('Preimage', 'note_preimage', { bytes: new Uint8Array(size) });
  const reason = { type: 'Preimage', value: { type: 'Preimage' } };
  const events = chain.does(alice, note(10));
  const { amount } = fieldsOf(events, 'Balances.Held') as { readonly amount: bigint };
  assert.deepEqual(fieldsOf(events, 'Balances.Held'), { reason, who: alice.accountId, amount });
  chain.does(alice, note(20));
  const [held, ...others] = reader(Balances, chain.tree).Holds.get(alice.accountId);
  assert.equal(others.length, 0);
  assert.equal(held?.amount, chain.reserved(alice.accountId));
  assert.ok(held !== undefined && held.amount > 2n * amount, 'longer bytes cost more');
  const free = { who: id(alice.accountId), amount: held.amount };
  chain.does(bob, asRoot(call('Balances', 'force_unreserve', free)));
  assert.equal(chain.reserved(alice.accountId), held.amount);
  const begun = { delegate: id(bob.accountId), proxy_type: { type: 'Any' }, delay: 0 };
  chain.does(alice, call('Proxy', 'add_proxy', begun));
  chain.does(bob, asRoot(call('Balances', 'force_unreserve', { ...free, amount: 1n << 100n })));
  assert.equal(chain.reserved(alice.accountId), held.amount);
  const rich = chain.free(alice.accountId) - ED / 2n;
  chain.does(alice, call('Balances', 'burn', { value: rich - UNIT, keep_alive: true }));
  assert.equal(chain.make(alice, note(200_000)).error, 'Token.FundsUnavailable');
});
