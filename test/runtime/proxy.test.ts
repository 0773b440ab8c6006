/** # Proxy: who may act for whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Bytes, concat, littleEndian, utf8 } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { reader } from '../../src/runtime/access.ts';
import { linkCalls, type RuntimeCall } from '../../src/runtime/calls.ts';
import { proxy } from '../../src/runtime/pallets/proxy.ts';
import { derivative } from '../../src/runtime/pallets/utility.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { alice, bob, call, carol, dave, names, transferCall, UNIT } from './test-chain.ts';
import { aTransfer, byAnyone, CROWD, fieldsOf, id, member, WalletChain, whateverIsCalled } from './wallet-chain.ts';

const Proxies = proxy(linkCalls(CORE_PALLETS));

const kind = (type: string) => ({ type });
const add = (delegate: Keypair, type: string, delay = 0) =>
  call('Proxy', 'add_proxy', { delegate: id(delegate.accountId), proxy_type: kind(type), delay });
const remove = (delegate: Keypair, type: string, delay = 0) =>
  call('Proxy', 'remove_proxy', { delegate: id(delegate.accountId), proxy_type: kind(type), delay });
const as = (real: Bytes, of: RuntimeCall, type?: string) =>
  call('Proxy', 'proxy', { real: id(real), force_proxy_type: type === undefined ? undefined : kind(type), call: of });
const give = (amount = UNIT) => transferCall('transfer_keep_alive', dave.accountId, amount);
const remark = call('System', 'remark', { remark: new Uint8Array(4) });
const batch = (...calls: RuntimeCall[]) => call('Utility', 'batch_all', { calls });

/** How a proxied call ended, as the event says. */
function inner(chain: WalletChain, by: Keypair, of: RuntimeCall) {
  return fieldsOf(chain.does(by, of), 'Proxy.ProxyExecuted').result as { readonly type: string };
}

test('a delegate acts for an account, and who allowed it pays a deposit until he takes it back', () => {
  const chain = new WalletChain();
  assert.equal(chain.make(bob, as(alice.accountId, give())).error, 'Proxy.NotProxy');
  const added = chain.does(alice, add(bob, 'Any'));
  assert.deepEqual(fieldsOf(added, 'Proxy.ProxyAdded').delegatee, bob.accountId);
  const [, deposit] = reader(Proxies, chain.tree).Proxies.get(alice.accountId);
  assert.ok(deposit > 0n);
  assert.equal(chain.reserved(alice.accountId), deposit);
  const before = { alice: chain.free(alice.accountId), dave: chain.free(dave.accountId) };
  assert.deepEqual(inner(chain, bob, as(alice.accountId, give())), { type: 'Ok', value: undefined });
  assert.equal(chain.free(dave.accountId), before.dave + UNIT);
  assert.equal(chain.free(alice.accountId), before.alice - UNIT, 'the delegate pays the fee');
  chain.does(alice, remove(bob, 'Any'));
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(reader(Proxies, chain.tree).Proxies.has(alice.accountId), false);
  assert.equal(chain.make(bob, as(alice.accountId, give())).error, 'Proxy.NotProxy');
});

test('a delegate that may not transfer cannot, neither in a batch nor under another derived name', () => {
  const chain = new WalletChain();
  chain.does(alice, add(bob, 'NonTransfer'));
  chain.does(carol, transferCall('transfer_keep_alive', derivative(alice.accountId, 3), 5n * UNIT));
  const filtered = { type: 'Err', value: { type: 'Module', value: { index: 0, error: new Uint8Array(4) } } };
  const derived = call('Utility', 'as_derivative', { index: 3, call: give() });
  const ways = [give(), batch(remark, give()), derived, call('Utility', 'if_else', { main: give(), fallback: give() })];
  const before = chain.free(dave.accountId);
  for (const way of ways) assert.deepEqual(inner(chain, bob, as(alice.accountId, way)), filtered);
  assert.equal(chain.free(dave.accountId), before);
  assert.equal(inner(chain, bob, as(alice.accountId, batch(remark, remark))).type, 'Ok');
});

test('a delegate cannot give away more than it has', () => {
  const chain = new WalletChain();
  chain.does(alice, add(bob, 'NonTransfer'));
  const through = (of: RuntimeCall) => inner(chain, bob, as(alice.accountId, of)).type;
  assert.equal(through(add(carol, 'Any')), 'Err');
  assert.equal(through(call('Proxy', 'remove_proxies', {})), 'Err');
  assert.equal(through(add(carol, 'CancelProxy')), 'Ok');
  const rejecting = call('Proxy', 'reject_announcement', {
    delegate: id(bob.accountId),
    call_hash: new Uint8Array(32),
  });
  const result = inner(chain, carol, as(alice.accountId, rejecting)) as {
    readonly type: string;
    readonly value?: unknown;
  };
  assert.deepEqual(result.value, { type: 'Module', value: { index: 16, error: Uint8Array.of(1, 0, 0, 0) } });
  assert.equal(inner(chain, carol, as(alice.accountId, remark)).type, 'Err');
});

test('of two permissions the asked one counts; without asking, the first that fits', () => {
  const chain = new WalletChain();
  chain.does(alice, batch(add(bob, 'NonTransfer'), add(bob, 'Any')));
  assert.equal(inner(chain, bob, as(alice.accountId, give(), 'NonTransfer')).type, 'Err');
  assert.equal(inner(chain, bob, as(alice.accountId, give(), 'Any')).type, 'Ok');
  assert.equal(chain.make(bob, as(alice.accountId, give(), 'CancelProxy')).error, 'Proxy.NotProxy');
});

test('a pure account is the hash that Substrate derives, has no key, and its delegate moves it', () => {
  const chain = new WalletChain();
  const created = chain.does(alice, call('Proxy', 'create_pure', { proxy_type: kind('Any'), delay: 0, index: 7 }));
  const {
    pure,
    at: height,
    extrinsic_index,
  } = fieldsOf(created, 'Proxy.PureCreated') as {
    readonly pure: Bytes;
    readonly at: number;
    readonly extrinsic_index: number;
  };
  assert.equal(height, chain.header.number);
  // (b"modlpy/proxy____", who, height, ext_index, proxy_type, index), as pallet-proxy says.
  const entropy = [
    utf8('modlpy/proxy____'),
    alice.accountId,
    le(height, 4),
    le(extrinsic_index, 4),
    le(0, 1),
    le(7, 2),
  ];
  assert.deepEqual(pure, blake2_256(concat(...entropy)));
  const deposit = chain.reserved(alice.accountId);
  assert.ok(deposit > 0n);
  chain.does(carol, transferCall('transfer_keep_alive', pure, 9n * UNIT));
  assert.equal(inner(chain, alice, as(pure, give(2n * UNIT))).type, 'Ok');
  assert.equal(chain.free(pure), 7n * UNIT);
  const head = { spawner: id(alice.accountId), proxy_type: kind('Any'), index: 7 };
  const kill = (ext_index: number) => call('Proxy', 'kill_pure', { ...head, height, ext_index });
  assert.equal(chain.make(alice, kill(extrinsic_index)).error, 'Proxy.NoPermission');
  assert.equal(inner(chain, alice, as(pure, kill(extrinsic_index + 1))).type, 'Err');
  const killed = chain.does(alice, as(pure, kill(extrinsic_index)));
  assert.ok(names(killed).includes('Proxy.PureKilled'));
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(chain.make(alice, as(pure, give())).error, 'Proxy.NotProxy');
});

function le(value: number, size: number): Bytes {
  return littleEndian(BigInt(value), size);
}

test('a delegate with a delay announces, waits, and can be refused', () => {
  const chain = new WalletChain();
  chain.does(alice, add(bob, 'Any', 3));
  const hash = blake2_256(chain.runtime.Call.enc(give()));
  const announce = call('Proxy', 'announce', { real: id(alice.accountId), call_hash: hash });
  const now = call('Proxy', 'proxy_announced', {
    delegate: id(bob.accountId),
    real: id(alice.accountId),
    force_proxy_type: undefined,
    call: give(),
  });
  assert.equal(chain.make(bob, as(alice.accountId, give())).error, 'Proxy.Unproxyable');
  assert.equal(chain.make(carol, announce).error, 'Proxy.NotProxy');
  chain.does(bob, announce);
  const deposit = chain.reserved(bob.accountId);
  assert.ok(deposit > 0n);
  const announced = chain.header.number;
  assert.equal(chain.make(carol, now).error, 'Proxy.Unannounced');
  while (chain.header.number < announced + 2) chain.block();
  assert.equal(inner(chain, carol, now).type, 'Ok');
  assert.equal(chain.reserved(bob.accountId), 0n);
  chain.does(bob, announce);
  const reject = call('Proxy', 'reject_announcement', { delegate: id(bob.accountId), call_hash: hash });
  assert.equal(chain.make(carol, reject).error, 'Proxy.NotFound');
  chain.does(alice, reject);
  for (let i = 0; i < 3; i++) chain.block();
  assert.equal(chain.make(carol, now).error, 'Proxy.Unannounced');
  chain.does(bob, announce);
  chain.does(bob, call('Proxy', 'remove_announcement', { real: id(alice.accountId), call_hash: hash }));
  assert.equal(chain.reserved(bob.accountId), 0n);
});

test('an account has 32 delegates at most, none twice, never itself', () => {
  const chain = new WalletChain();
  assert.equal(chain.make(alice, add(alice, 'Any')).error, 'Proxy.NoSelfProxy');
  assert.equal(chain.make(alice, remove(bob, 'Any')).error, 'Proxy.NotFound');
  chain.does(alice, batch(...Array.from({ length: 32 }, (_, delay) => add(bob, 'Any', delay))));
  assert.equal(chain.make(alice, add(bob, 'Any', 31)).error, 'Proxy.Duplicate');
  assert.equal(chain.make(alice, add(bob, 'Any', 32)).error, 'Proxy.TooMany');
  chain.does(alice, call('Proxy', 'remove_proxies', {}));
  assert.equal(chain.reserved(alice.accountId), 0n);
  chain.does(alice, add(bob, 'Any', 1));
  const announce = call('Proxy', 'announce', { real: id(alice.accountId), call_hash: new Uint8Array(32) });
  chain.does(bob, batch(...Array.from({ length: 32 }, () => announce)));
  assert.equal(chain.make(bob, announce).error, 'Proxy.TooMany');
});

test('whatever delegates do, deposits and supply stay exact', () => {
  const type = fc.constantFrom('Any', 'NonTransfer', 'IdentityJudgement', 'CancelProxy');
  const delay = fc.nat(1);
  const hash = new Uint8Array(32);
  const simple = fc.oneof(
    aTransfer,
    fc.tuple(member, type, delay).map(([to, of, wait]) => add(to, of, wait)),
    fc.tuple(member, type, delay).map(([to, of, wait]) => remove(to, of, wait)),
    fc.constant(call('Proxy', 'remove_proxies', {})),
    fc
      .tuple(type, fc.nat(1))
      .map(([of, index]) => call('Proxy', 'create_pure', { proxy_type: kind(of), delay: 0, index })),
    member.map((real) => call('Proxy', 'announce', { real: id(real.accountId), call_hash: hash })),
    member.map((real) => call('Proxy', 'remove_announcement', { real: id(real.accountId), call_hash: hash })),
    member.map((one) => call('Proxy', 'reject_announcement', { delegate: id(one.accountId), call_hash: hash })),
  );
  const nested = fc.tuple(member, simple).map(([real, of]) => as(real.accountId, of));
  const few = CROWD.slice(0, 3);
  const step = fc.oneof(byAnyone(simple), fc.record({ by: fc.constantFrom(...few), of: fc.oneof(simple, nested) }));
  whateverIsCalled(step, (chain) => {
    const state = reader(Proxies, chain.tree);
    let deposits = 0n;
    for (const [, [, deposit]] of [...state.Proxies.entries(), ...state.Announcements.entries()]) deposits += deposit;
    assert.equal(deposits, chain.allReserved());
  });
});
