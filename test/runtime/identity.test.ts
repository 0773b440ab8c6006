/** # Identity: names, and who vouches for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, utf8 } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { reader } from '../../src/runtime/access.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import { IdentityInfo } from '../../src/runtime/pallets/identity/state.ts';
import { Identity } from '../../src/runtime/pallets/identity.ts';
import { alice, bob, call, carol, dave, UNIT } from './test-chain.ts';
import {
  asRoot,
  aTransfer,
  byAnyone,
  CROWD,
  fieldsOf,
  id,
  member,
  WalletChain,
  whateverIsCalled,
} from './wallet-chain.ts';

const text = (of: string) => ({ type: `Raw${utf8(of).length}`, value: utf8(of) });
const NONE = { type: 'None' };

function infoOf(display: string): IdentityInfo {
  const fields = { display: text(display), legal: NONE, web: NONE, riot: NONE, email: NONE };
  return { additional: [], ...fields, pgp_fingerprint: undefined, image: NONE, twitter: NONE };
}

const own = (name: string, args: Readonly<Record<string, unknown>> = {}) => call('Identity', name, args);
const set = (display: string) => own('set_identity', { info: infoOf(display) });
const sub = (name: string, who: Bytes, display = 'sub') => own(name, { sub: id(who), data: text(display) });
const judge = (target: Bytes, display: string, type: string, reg_index = 0) =>
  own('provide_judgement', {
    reg_index,
    target: id(target),
    judgement: { type },
    identity: blake2_256(IdentityInfo.enc(infoOf(display))),
  });
const state = (chain: WalletChain) => reader(Identity, chain.tree);
const judgements = (chain: WalletChain, who: Bytes) =>
  state(chain)
    .IdentityOf.get(who)
    ?.judgements.map(([index, { type }]) => [index, type]);

/** A chain with Carol as registrar 0, who asks for two units. */
function withRegistrar(): WalletChain {
  const chain = new WalletChain();
  assert.equal(chain.make(carol, own('add_registrar', { account: id(carol.accountId) })).error, 'BadOrigin');
  chain.does(dave, asRoot(own('add_registrar', { account: id(carol.accountId) })));
  chain.does(carol, own('set_fee', { index: 0, fee: 2n * UNIT }));
  return chain;
}

test('an account says who it is, for a deposit by length, and takes it back', () => {
  const chain = new WalletChain();
  chain.does(alice, set('Alice'));
  const short = chain.reserved(alice.accountId);
  assert.equal(state(chain).IdentityOf.get(alice.accountId)?.deposit, short);
  assert.deepEqual(state(chain).IdentityOf.get(alice.accountId)?.info.display, text('Alice'));
  chain.does(alice, set('Alice of the long name'));
  assert.ok(chain.reserved(alice.accountId) > short);
  chain.does(alice, set('Alice'));
  assert.equal(chain.reserved(alice.accountId), short);
  const events = chain.does(alice, own('clear_identity'));
  assert.deepEqual(fieldsOf(events, 'Identity.IdentityCleared'), { who: alice.accountId, deposit: short });
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(chain.make(alice, own('clear_identity')).error, 'Identity.NoIdentity');
});

test('a registrar judges what he was asked and paid for, and is paid when he does', () => {
  const chain = withRegistrar();
  const ask = (max_fee: bigint) => own('request_judgement', { reg_index: 0, max_fee });
  assert.equal(chain.make(alice, ask(2n * UNIT)).error, 'Identity.NoIdentity');
  chain.does(alice, set('Alice'));
  const deposit = chain.reserved(alice.accountId);
  assert.equal(chain.make(alice, ask(UNIT)).error, 'Identity.FeeChanged');
  assert.equal(
    chain.make(alice, own('request_judgement', { reg_index: 1, max_fee: UNIT })).error,
    'Identity.EmptyIndex',
  );
  chain.does(alice, ask(2n * UNIT));
  assert.equal(chain.reserved(alice.accountId), deposit + 2n * UNIT);
  assert.equal(chain.make(alice, ask(2n * UNIT)).error, 'Identity.StickyJudgement');
  assert.equal(chain.make(bob, judge(alice.accountId, 'Alice', 'Reasonable')).error, 'Identity.InvalidIndex');
  const other = chain.make(carol, judge(alice.accountId, 'Mallory', 'Reasonable')).error;
  assert.equal(other, 'Identity.JudgementForDifferentIdentity');
  const before = chain.free(carol.accountId);
  const events = chain.does(carol, judge(alice.accountId, 'Alice', 'Reasonable'));
  const { actual_fee } = fieldsOf(events, 'TransactionPayment.TransactionFeePaid') as { readonly actual_fee: bigint };
  assert.equal(chain.free(carol.accountId), before + 2n * UNIT - actual_fee);
  assert.equal(chain.reserved(alice.accountId), deposit);
  assert.deepEqual(judgements(chain, alice.accountId), [[0, 'Reasonable']]);
  assert.equal(chain.make(alice, own('cancel_request', { reg_index: 0 })).error, 'Identity.JudgementGiven');
});

test('a judgement ends with the identity that it was about, unless it says that it is wrong', () => {
  const chain = withRegistrar();
  chain.does(alice, set('Alice'));
  chain.does(carol, judge(alice.accountId, 'Alice', 'KnownGood'));
  chain.does(alice, set('Mallory'));
  assert.deepEqual(judgements(chain, alice.accountId), []);
  chain.does(carol, judge(alice.accountId, 'Mallory', 'Erroneous'));
  chain.does(alice, set('Alice'));
  assert.deepEqual(judgements(chain, alice.accountId), [[0, 'Erroneous']]);
});

test('a request that is taken back gives the fee back; a registrar can hand on his part', () => {
  const chain = withRegistrar();
  chain.does(alice, set('Alice'));
  const deposit = chain.reserved(alice.accountId);
  chain.does(alice, own('request_judgement', { reg_index: 0, max_fee: 2n * UNIT }));
  chain.does(alice, own('cancel_request', { reg_index: 0 }));
  assert.equal(chain.reserved(alice.accountId), deposit);
  assert.equal(chain.make(alice, own('cancel_request', { reg_index: 0 })).error, 'Identity.NotFound');
  chain.does(carol, own('set_fields', { index: 0, fields: 5n }));
  chain.does(carol, own('set_account_id', { index: 0, new: id(bob.accountId) }));
  assert.equal(chain.make(carol, own('set_fee', { index: 0, fee: 0n })).error, 'Identity.InvalidIndex');
  assert.deepEqual(state(chain).Registrars.get(), [{ account: bob.accountId, fee: 2n * UNIT, fields: 5n }]);
});

test('sub-accounts share an identity once, and can leave it with their deposit', () => {
  const chain = new WalletChain();
  assert.equal(chain.make(alice, sub('add_sub', bob.accountId)).error, 'Identity.NoIdentity');
  chain.does(alice, set('Alice'));
  const deposit = chain.reserved(alice.accountId);
  chain.does(alice, sub('add_sub', bob.accountId));
  const one = chain.reserved(alice.accountId) - deposit;
  chain.does(carol, set('Carol'));
  assert.equal(chain.make(carol, sub('add_sub', bob.accountId)).error, 'Identity.AlreadyClaimed');
  assert.equal(chain.make(carol, sub('rename_sub', bob.accountId)).error, 'Identity.NotOwned');
  chain.does(alice, sub('rename_sub', bob.accountId, 'till'));
  assert.deepEqual(state(chain).SuperOf.get(bob.accountId), [alice.accountId, text('till')]);
  const before = chain.free(bob.accountId);
  const events = chain.does(bob, own('quit_sub'));
  const { actual_fee } = fieldsOf(events, 'TransactionPayment.TransactionFeePaid') as { readonly actual_fee: bigint };
  assert.equal(chain.free(bob.accountId), before + one - actual_fee);
  assert.equal(chain.reserved(alice.accountId), deposit);
  const subs = (list: readonly Bytes[]) => own('set_subs', { subs: list.map((who) => [who, text('x')]) });
  chain.does(alice, subs([bob.accountId, dave.accountId]));
  assert.equal(chain.reserved(alice.accountId), deposit + 2n * one);
  assert.equal(chain.make(alice, subs([bob.accountId, bob.accountId])).error, 'Identity.AlreadyClaimed');
  assert.equal(chain.make(alice, sub('remove_sub', carol.accountId)).error, 'Identity.NotSub');
  chain.does(alice, own('remove_sub', { sub: id(dave.accountId) }));
  const many = Array.from({ length: 101 }, (_, i) => new Uint8Array(32).fill(i));
  assert.equal(chain.make(alice, subs(many)).error, 'Identity.TooManySubAccounts');
  chain.does(alice, own('clear_identity'));
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(state(chain).SuperOf.has(bob.accountId), false);
});

test('root removes a false identity, and its deposits are burned', () => {
  const chain = withRegistrar();
  chain.does(alice, set('Bob'));
  chain.does(alice, sub('add_sub', bob.accountId));
  chain.does(alice, own('request_judgement', { reg_index: 0, max_fee: 2n * UNIT }));
  const reserved = chain.reserved(alice.accountId);
  const burned = chain.balances.Burned.get();
  const { events } = chain.make(dave, asRoot(own('kill_identity', { target: id(alice.accountId) })));
  assert.deepEqual(fieldsOf(events, 'Identity.IdentityKilled'), { who: alice.accountId, deposit: reserved });
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.ok(chain.balances.Burned.get() >= burned + reserved);
});

test('whatever is said, judged and shared, deposits and supply stay exact', () => {
  const few = fc.constantFrom(...CROWD.slice(0, 3));
  const display = fc.constantFrom('a', 'another');
  const calls: fc.Arbitrary<RuntimeCall> = fc.oneof(
    aTransfer,
    display.map(set),
    fc.constantFrom('clear_identity', 'quit_sub').map((name) => own(name)),
    fc.nat(2).map((reg_index) => own('request_judgement', { reg_index, max_fee: UNIT })),
    fc.nat(2).map((reg_index) => own('cancel_request', { reg_index })),
    few.map(({ accountId }) => asRoot(own('add_registrar', { account: id(accountId) }))),
    fc.nat(2).map((index) => own('set_fee', { index, fee: UNIT / 2n })),
    fc
      .tuple(few, display, fc.constantFrom('Reasonable', 'Erroneous'), fc.nat(2))
      .map(([who, name, type, index]) => judge(who.accountId, name, type, index)),
    few.map(({ accountId }) => asRoot(own('kill_identity', { target: id(accountId) }))),
    fc.tuple(fc.constantFrom('add_sub', 'rename_sub'), member).map(([name, { accountId }]) => sub(name, accountId)),
    member.map(({ accountId }) => own('remove_sub', { sub: id(accountId) })),
    fc
      .array(member, { maxLength: 3 })
      .map((list) => own('set_subs', { subs: list.map(({ accountId }) => [accountId, NONE]) })),
  );
  whateverIsCalled(fc.oneof(byAnyone(calls), fc.record({ by: few, of: calls })), (chain) => {
    let deposits = 0n;
    for (const [, identity] of state(chain).IdentityOf.entries()) {
      deposits += identity.deposit;
      for (const [, said] of identity.judgements) if (said.type === 'FeePaid') deposits += said.value[0];
    }
    for (const [, [deposit]] of state(chain).SubsOf.entries()) deposits += deposit;
    assert.equal(deposits, chain.allReserved());
  });
});
