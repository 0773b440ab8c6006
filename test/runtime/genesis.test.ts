/** # Genesis: from a chain spec to a state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal, toHex } from '../../src/base/bytes.ts';
import { bool, fixed, hash, option, str, struct, tuple, u32, u64, unit, variant, vec } from '../../src/codec/index.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { ConfigError, ConfigReader, camelCase } from '../../src/runtime/config.ts';
import { AccountId, Balance } from '../../src/runtime/types.ts';
import { StateTree } from '../../src/state/tree.ts';
import { alice, bob, TestChain, UNIT } from './test-chain.ts';

const reader = new ConfigReader(42);
const address = ss58Encode(alice.accountId, 42);

test('every spelling of a value that people use is understood', () => {
  const read = (of: { readonly shape: Parameters<ConfigReader['read']>[0] }, json: unknown) =>
    reader.read(of.shape, json, 'x');
  assert.deepEqual(read(AccountId, address), alice.accountId);
  assert.deepEqual(read(AccountId, toHex(alice.accountId)), alice.accountId);
  assert.deepEqual(read(AccountId, alice.accountId), alice.accountId);
  for (const amount of [5, '5', 5n, '0x5']) assert.equal(read(Balance, amount), 5n);
  assert.equal(read(u32, '7'), 7);
  assert.deepEqual(read(fixed(2), '0x0102'), Uint8Array.of(1, 2));
  assert.deepEqual(read(hash, `0x${'07'.repeat(32)}`), new Uint8Array(32).fill(7));
  assert.deepEqual(read(vec(tuple(AccountId, Balance)), [[address, '9']]), [[alice.accountId, 9n]]);
  assert.deepEqual(read(struct({ compute_key: u32, on: bool, name: str }), { computeKey: 3 }), {
    compute_key: 3,
    on: false,
    name: '',
  });
  assert.equal(read(option(u64), null), undefined);
  assert.equal(read(option(u64), 4), 4n);
  const kind = variant({ Plain: unit, Held: tuple(u32), Named: struct({ at_block: u32 }) });
  assert.deepEqual(read(kind, 'Plain'), { type: 'Plain', value: undefined });
  assert.deepEqual(read(kind, { Named: { atBlock: 2 } }), { type: 'Named', value: { at_block: 2 } });
  assert.equal(camelCase('ComputePow'), 'computePow');
});

test('what is not understood is refused with its place', () => {
  const wrong = (of: { readonly shape: Parameters<ConfigReader['read']>[0] }, json: unknown, where: RegExp) =>
    assert.throws(
      () => reader.read(of.shape, json, 'balances'),
      (error) => error instanceof ConfigError && where.test(error.message),
    );
  wrong(u32, -1, /balances: /);
  wrong(u32, 2 ** 32, /does not fit u32/);
  wrong(Balance, 1.5, /an integer expected/);
  wrong(Balance, 'many', /an integer expected/);
  wrong(vec(AccountId), [address, 'x'], /balances\[1\]/);
  wrong(AccountId, ss58Encode(alice.accountId, 0), /another network/);
  wrong(fixed(4), '0x01', /4 items expected/);
  wrong(struct({ a: u32 }), [], /an object expected/);
  wrong(tuple(u32, u32), [1], /2 items expected/);
  wrong(variant({ A: unit }), 'B', /no such case/);
});

test('equal specs give equal states, whatever the order of their lists', () => {
  const { runtime } = new TestChain();
  const both = [
    [address, '5000000000000'],
    [ss58Encode(bob.accountId, 42), 7_000_000_000_000n],
  ];
  const root = (balances: unknown) => StateTree.from(runtime.genesis({ balances: { balances } })).root;
  assert.ok(equal(root(both), root(both.toReversed())));
  assert.ok(!equal(root(both), root(both.slice(1))));
});

test('issuance at genesis is what accounts and pallets hold', () => {
  const chain = new TestChain({ balances: [[alice.accountId, 3n * UNIT]] });
  assert.equal(chain.balances.TotalIssuance.get(), 3n * UNIT);
  assert.equal(chain.balances.GenesisIssuance.get(), 3n * UNIT);
  const info = chain.system.Account.get(alice.accountId);
  assert.deepEqual([info.providers, info.consumers, info.data.flags], [1, 0, 1n << 127n]);
});
