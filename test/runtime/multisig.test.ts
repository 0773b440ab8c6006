/** # Multisig: several people, one account. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyMulti, encodeAddress } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { type Bytes, compare, concat } from '../../src/base/bytes.ts';
import { u32 } from '../../src/codec/index.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import type { Keypair } from '../../src/crypto/keypair.ts';
import { reader } from '../../src/runtime/access.ts';
import { linkCalls, type RuntimeCall } from '../../src/runtime/calls.ts';
import { multiAccount, multisig } from '../../src/runtime/pallets/multisig.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { alice, bob, call, carol, dave, names, transferCall, UNIT } from './test-chain.ts';
import { aTransfer, byAnyone, CROWD, fieldsOf, WalletChain, whateverIsCalled } from './wallet-chain.ts';

const Multisig = multisig(linkCalls(CORE_PALLETS));
const AMPLE = { ref_time: 1_000_000_000n, proof_size: 100_000n };
const FREE = { ref_time: 0n, proof_size: 0n };
type Timepoint = { readonly height: number; readonly index: number } | undefined;

const sorted = (pairs: readonly Keypair[]): Bytes[] => pairs.map(({ accountId }) => accountId).sort(compare);
const others = (all: readonly Keypair[], but: Keypair) => sorted(all.filter((one) => one !== but));

/** The calls of one account of three. */
function party(threshold: number, all: readonly Keypair[] = [alice, bob, carol]) {
  const head = (by: Keypair) => ({ threshold, other_signatories: others(all, by) });
  return {
    account: multiAccount(sorted(all), threshold),
    approve: (by: Keypair, call_hash: Bytes, maybe_timepoint: Timepoint) =>
      call('Multisig', 'approve_as_multi', { ...head(by), maybe_timepoint, call_hash, max_weight: FREE }),
    as: (by: Keypair, inner: RuntimeCall, maybe_timepoint: Timepoint, max_weight = AMPLE) =>
      call('Multisig', 'as_multi', { ...head(by), maybe_timepoint, call: inner, max_weight }),
    cancel: (by: Keypair, timepoint: Timepoint, call_hash: Bytes) =>
      call('Multisig', 'cancel_as_multi', { ...head(by), timepoint, call_hash }),
  };
}

function fund(chain: WalletChain, account: Bytes): void {
  chain.does(dave, transferCall('transfer_keep_alive', account, 50n * UNIT));
}

const give = transferCall('transfer_keep_alive', dave.accountId, 7n * UNIT);
const hashOf = (chain: WalletChain, of: RuntimeCall) => blake2_256(chain.runtime.Call.enc(of));

test('an account of several is the one that wallets derive, whatever the order in which they name people', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 8, comparator: same }),
      fc.integer({ min: 1, max: 65_535 }),
      (people, threshold) => {
        const ours = multiAccount([...people].sort(compare), threshold);
        assert.deepEqual(
          ours,
          createKeyMulti(
            people.map((one) => encodeAddress(one)),
            threshold,
          ),
        );
      },
    ),
  );
});

function same(a: Bytes, b: Bytes): boolean {
  return compare(a, b) === 0;
}

test('two of three make a call together; the first pays a deposit until it is made', () => {
  const chain = new WalletChain();
  const { account, as, approve } = party(2);
  fund(chain, account);
  const hash = hashOf(chain, give);
  const begun = chain.does(alice, approve(alice, hash, undefined));
  assert.deepEqual(fieldsOf(begun, 'Multisig.NewMultisig'), {
    approving: alice.accountId,
    multisig: account,
    call_hash: hash,
  });
  const operation = reader(Multisig, chain.tree).Multisigs.get(account, hash);
  assert.deepEqual(operation?.when, { height: chain.header.number, index: 1 });
  assert.ok(operation !== undefined && operation.deposit > 0n);
  assert.equal(chain.reserved(alice.accountId), operation.deposit);
  const before = chain.free(dave.accountId);
  const events = chain.does(bob, as(bob, give, operation.when));
  assert.equal(chain.free(dave.accountId), before + 7n * UNIT);
  assert.deepEqual(fieldsOf(events, 'Multisig.MultisigExecuted').result, { type: 'Ok', value: undefined });
  assert.equal(chain.reserved(alice.accountId), 0n);
  assert.equal(reader(Multisig, chain.tree).Multisigs.has(account, hash), false);
});

test('an approval costs less than the call that it allows', () => {
  const chain = new WalletChain();
  const { account, as } = party(3);
  fund(chain, account);
  const spent = (by: Keypair, of: RuntimeCall) => {
    const paid = fieldsOf(chain.does(by, of), 'TransactionPayment.TransactionFeePaid').actual_fee as bigint;
    return paid;
  };
  const first = spent(alice, as(alice, give, undefined));
  const when = { height: chain.header.number, index: 1 };
  const second = spent(bob, as(bob, give, when));
  const third = spent(carol, as(carol, give, when));
  assert.ok(first < second, 'a timepoint has bytes');
  assert.ok(second < third, 'the last one pays for the call');
  assert.equal(chain.free(account), 43n * UNIT);
});

test('a call that fails inside is still made, and the event says how it failed', () => {
  const chain = new WalletChain();
  const { account, as } = party(2);
  fund(chain, account);
  const tooMuch = transferCall('transfer_keep_alive', dave.accountId, 51n * UNIT);
  chain.does(alice, as(alice, tooMuch, undefined));
  const events = chain.does(bob, as(bob, tooMuch, { height: chain.header.number, index: 1 }));
  assert.deepEqual(fieldsOf(events, 'Multisig.MultisigExecuted').result, {
    type: 'Err',
    value: { type: 'Token', value: { type: 'FundsUnavailable' } },
  });
  assert.equal(chain.reserved(alice.accountId), 0n);
});

test('whoever is not asked, comes twice, or says a wrong time is refused by name', () => {
  const chain = new WalletChain();
  const { account, as, approve, cancel } = party(2);
  fund(chain, account);
  const hash = hashOf(chain, give);
  const fails = (by: Keypair, of: RuntimeCall, why: string) => assert.equal(chain.make(by, of).error, why);
  fails(bob, approve(bob, hash, { height: 1, index: 1 }), 'Multisig.UnexpectedTimepoint');
  fails(alice, cancel(alice, { height: 1, index: 1 }, hash), 'Multisig.NotFound');
  chain.does(alice, approve(alice, hash, undefined));
  const when = { height: chain.header.number, index: 1 };
  fails(alice, approve(alice, hash, when), 'Multisig.AlreadyApproved');
  fails(bob, approve(bob, hash, undefined), 'Multisig.NoTimepoint');
  fails(bob, approve(bob, hash, { ...when, index: 2 }), 'Multisig.WrongTimepoint');
  fails(bob, as(bob, give, when, FREE), 'Multisig.MaxWeightTooLow');
  fails(bob, cancel(bob, when, hash), 'Multisig.NotOwner');
  fails(alice, cancel(alice, { ...when, height: 9 }, hash), 'Multisig.WrongTimepoint');
  const head = { threshold: 2, maybe_timepoint: undefined, call_hash: hash, max_weight: FREE };
  const bad = (threshold: number, other_signatories: readonly Bytes[]) =>
    call('Multisig', 'approve_as_multi', { ...head, threshold, other_signatories });
  const two = sorted([bob, carol]);
  fails(alice, bad(1, two), 'Multisig.MinimumThreshold');
  fails(alice, bad(2, []), 'Multisig.TooFewSignatories');
  fails(alice, bad(2, two.toReversed()), 'Multisig.SignatoriesOutOfOrder');
  fails(alice, bad(2, [bob.accountId, bob.accountId]), 'Multisig.SignatoriesOutOfOrder');
  fails(alice, bad(2, sorted([alice, bob])), 'Multisig.SenderInSignatories');
  const many = Array.from({ length: 100 }, (_, i) => new Uint8Array(32).fill(i));
  fails(alice, bad(2, many), 'Multisig.TooManySignatories');
  chain.does(alice, cancel(alice, when, hash));
  assert.equal(chain.reserved(alice.accountId), 0n);
});

test('of an account with threshold 1 each signatory disposes alone', () => {
  const chain = new WalletChain();
  const all = [alice, bob];
  fund(chain, multiAccount(sorted(all), 1));
  const events = chain.does(
    bob,
    call('Multisig', 'as_multi_threshold_1', { other_signatories: [alice.accountId], call: give }),
  );
  assert.ok(names(events).includes('Balances.Transfer'));
  const early = call('Multisig', 'as_multi_threshold_1', { other_signatories: [], call: give });
  assert.equal(chain.make(bob, early).error, 'Multisig.TooFewSignatories');
});

test('what an approval may weigh takes no room from others in its block', () => {
  const chain = new WalletChain();
  const { as } = party(3);
  const most = { ref_time: 1_000_000_000_000n, proof_size: 0n };
  const limit = chain.runtime.spec.blockWeightPs;
  assert.ok(2n * most.ref_time > limit, 'two of them do not fit side by side');
  const { outcomes } = chain.block([
    chain.signed(alice, as(alice, give, undefined, most)),
    chain.signed(bob, as(bob, call('System', 'remark', { remark: new Uint8Array(1) }), undefined, most)),
    chain.signed(dave, transferCall('transfer_keep_alive', bob.accountId, UNIT)),
  ]);
  assert.deepEqual(
    outcomes,
    outcomes.map(() => ({ applied: true, error: undefined })),
  );
  assert.ok(chain.system.BlockWeight.get().normal.ref_time < most.ref_time);
});

test('a weight that no block can hold is refused, not overflown', () => {
  const chain = new WalletChain();
  const most = { ref_time: (1n << 64n) - 1n, proof_size: (1n << 64n) - 1n };
  const of = party(2).as(alice, give, undefined, most);
  const xt = chain.signed(alice, of);
  const judged = chain.runtime.validate(chain.tree, xt, chain.at);
  assert.deepEqual(judged.ok ? '' : judged.error.value.type, 'ExhaustsResources');
  const args = concat(xt, u32.enc(xt.length));
  assert.ok(chain.runtime.call(chain.tree, 'TransactionPaymentApi_query_info', args, chain.at).ok);
});

test('whatever several people approve, cancel and call, deposits and supply stay exact', () => {
  const trio = CROWD.slice(0, 3);
  const pair = fc.constantFrom(...trio);
  const inner = fc.constantFrom(
    transferCall('transfer_keep_alive', CROWD[4]?.accountId ?? alice.accountId, UNIT),
    call('System', 'remark', { remark: new Uint8Array(3) }),
  );
  const when = fc.option(fc.record({ height: fc.nat(5), index: fc.integer({ min: 1, max: 4 }) }), { nil: undefined });
  const encode = new WalletChain().runtime.Call;
  const threshold = fc.constantFrom(2, 3);
  const steps = fc.oneof(
    byAnyone(aTransfer),
    byAnyone(threshold.map((of) => transferCall('transfer_keep_alive', party(of, trio).account, 2n * UNIT))),
    fc.tuple(pair, threshold, inner, when, fc.nat(2)).map(([by, count, of, at, kind]) => {
      const { as, approve, cancel } = party(count, trio);
      const hash = blake2_256(encode.enc(of));
      if (kind === 0) return { by, of: as(by, of, at) };
      return { by, of: kind === 1 ? approve(by, hash, at) : cancel(by, at ?? { height: 1, index: 1 }, hash) };
    }),
  );
  whateverIsCalled(steps, (chain) => {
    let deposits = 0n;
    for (const [, { deposit }] of reader(Multisig, chain.tree).Multisigs.entries()) deposits += deposit;
    assert.equal(deposits, chain.allReserved());
  });
});
