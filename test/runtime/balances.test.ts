/** # Balances, fees and batches: what happens to tokens, seen from outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../src/base/bytes.ts';
import { keypairFromSeed } from '../../src/crypto/keypair.ts';
import { reader } from '../../src/runtime/access.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import type { DispatchError } from '../../src/runtime/errors.ts';
import { event, pallet, rules } from '../../src/runtime/pallet.ts';
import { deposit, lock, reserve, slash, unlock, unreserve, withdraw } from '../../src/runtime/pallets/balances.ts';
import { headerAuthor, TransactionPayment } from '../../src/runtime/pallets/transaction-payment.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { map, value } from '../../src/runtime/storage.ts';
import { AccountId, Balance } from '../../src/runtime/types.ts';
import { blockWeights, rw } from '../../src/runtime/weights.ts';
import { alice, bob, call, carol, HOST, names, TestChain, transferCall, UNIT } from './test-chain.ts';

const ED = DEFAULT_SPEC.existentialDeposit;
const stranger = new Uint8Array(32).fill(9);

/** Applies one call of Alice's and says how it failed. */
function outcome(chain: TestChain, of: RuntimeCall): DispatchError | undefined {
  const { outcomes } = chain.block([chain.signed(alice, of)]);
  const [first] = outcomes;
  assert.ok(first?.applied);
  return first.error;
}

const token = (name: string) => ({ type: 'Token', value: { type: name } });

test('a transfer moves its amount; the sender alone pays the fee', () => {
  const chain = new TestChain();
  const before = { alice: chain.free(alice.accountId), bob: chain.free(bob.accountId) };
  assert.equal(outcome(chain, transferCall('transfer_keep_alive', bob.accountId, 5n * UNIT)), undefined);
  const paid = chain.runtime.Events.dec(chain.system.Events.get()).find(
    ({ event: { value } }) => value.type === 'TransactionFeePaid',
  )?.event.value.value;
  assert.equal(chain.free(bob.accountId), before.bob + 5n * UNIT);
  assert.equal(chain.free(alice.accountId), before.alice - 5n * UNIT - (paid?.actual_fee as bigint));
  assert.equal(chain.system.Account.get(alice.accountId).nonce, 1);
});

test('what cannot be moved fails with the token errors that wallets know, and costs the fee', () => {
  const chain = new TestChain();
  const all = chain.free(alice.accountId);
  assert.deepEqual(outcome(chain, transferCall('transfer_allow_death', stranger, ED - 1n)), token('BelowMinimum'));
  assert.deepEqual(
    outcome(chain, transferCall('transfer_keep_alive', bob.accountId, 2n * all)),
    token('FundsUnavailable'),
  );
  const left = chain.free(alice.accountId);
  // Two fees were paid; a third, a few bytes more or less, leaves half a deposit besides what is moved.
  const fee = (all - left) / 2n;
  assert.deepEqual(
    outcome(chain, transferCall('transfer_keep_alive', bob.accountId, left - fee - ED / 2n)),
    token('NotExpendable'),
  );
  assert.ok(chain.free(alice.accountId) < left);
  assert.equal(chain.system.Account.get(alice.accountId).nonce, 3);
  assert.deepEqual(outcome(chain, call('Balances', 'transfer_keep_alive', { dest: { type: 'Index' }, value: 1n })), {
    type: 'CannotLookup',
  });
});

test('an account that sends all it has is closed', () => {
  const chain = new TestChain();
  const { events } = chain.block([
    chain.signed(
      alice,
      call('Balances', 'transfer_all', { dest: { type: 'Id', value: bob.accountId }, keep_alive: false }),
    ),
  ]);
  assert.equal(chain.system.Account.has(alice.accountId), false);
  assert.ok(names(events).includes('System.KilledAccount'));
});

test('transfer_all with keep_alive leaves the existential deposit', () => {
  const chain = new TestChain();
  const dest = { type: 'Id', value: bob.accountId };
  assert.equal(outcome(chain, call('Balances', 'transfer_all', { dest, keep_alive: true })), undefined);
  assert.equal(chain.free(alice.accountId), ED);
});

test('the crumb of a closed account is burned and counted', () => {
  const chain = new TestChain();
  const probe = new TestChain();
  const dest = { type: 'Id', value: bob.accountId };
  probe.block([probe.signed(alice, call('Balances', 'transfer_all', { dest, keep_alive: false }))]);
  const spendable = probe.free(bob.accountId) - chain.free(bob.accountId);
  // transfer_allow_death and transfer_all differ in length: leave a margin that is still a crumb.
  const error = outcome(chain, transferCall('transfer_allow_death', bob.accountId, spendable - ED / 2n));
  assert.equal(error, undefined);
  assert.equal(chain.system.Account.has(alice.accountId), false);
  const { TotalIssuance, Burned, GenesisIssuance } = chain.balances;
  assert.ok(Burned.get() > 0n);
  assert.equal(TotalIssuance.get() + Burned.get(), GenesisIssuance.get());
});

test('fees of a block go half to its author and half into the fire, one block later', () => {
  const chain = new TestChain();
  chain.author = stranger;
  assert.equal(outcome(chain, transferCall('transfer_keep_alive', bob.accountId, UNIT)), undefined);
  const collected = reader(TransactionPayment, chain.tree).Collected.get();
  assert.ok(collected > 0n);
  assert.deepEqual(headerAuthor(chain.header), stranger);
  const burnedBefore = chain.balances.Burned.get();
  chain.block();
  const payment = reader(TransactionPayment, chain.tree);
  assert.equal(payment.Collected.get(), 0n);
  assert.equal(chain.balances.Burned.get() - burnedBefore, collected - collected / 2n);
  // Half a transfer's fee opens no account: it stays owed until enough has come together.
  assert.equal(payment.Owed.get(stranger), collected / 2n);
  assert.equal(chain.system.Account.has(stranger), false);
  const batch = Array.from({ length: 9 }, (_, i) =>
    chain.signed(alice, call('System', 'remark', { remark: new Uint8Array(200) }), { nonce: 1 + i, tip: ED }),
  );
  chain.block(batch);
  chain.block();
  assert.equal(reader(TransactionPayment, chain.tree).Owed.get(stranger), undefined);
  assert.ok(chain.free(stranger) > 4n * ED);
});

test('a fee pays for length and weight, and the tip comes on top', () => {
  const chain = new TestChain();
  const fee = (of: RuntimeCall, tip = 0n) => {
    const xt = chain.signed(alice, of, { tip });
    const before = chain.free(alice.accountId);
    const { outcomes } = chain.block([xt]);
    assert.ok(outcomes[0]?.applied);
    return { paid: before - chain.free(alice.accountId), length: BigInt(xt.length) };
  };
  const short = fee(call('System', 'remark', { remark: new Uint8Array(10) }));
  const long = fee(call('System', 'remark', { remark: new Uint8Array(1_000) }));
  const { base, perByte } = DEFAULT_SPEC.fees;
  assert.equal(long.paid - short.paid, (long.length - short.length) * perByte);
  assert.ok(short.paid > base + short.length * perByte);
  const tipped = fee(call('System', 'remark', { remark: new Uint8Array(10) }), 77n * ED);
  assert.equal(tipped.paid - tipped.length * perByte, short.paid - short.length * perByte + 77n * ED);
});

test('full blocks make weight dearer, empty ones do not make it cheaper than 1', () => {
  const chain = new TestChain({ spec: { blockWeightPs: 8_000_000_000n } });
  const multiplier = () => reader(TransactionPayment, chain.tree).NextFeeMultiplier.get();
  const one = multiplier();
  chain.block();
  assert.equal(multiplier(), one);
  const xts = Array.from({ length: 5 }, (_, nonce) =>
    chain.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT), { nonce }),
  );
  chain.block(xts);
  assert.ok(multiplier() > one);
  // m (1 + v d + (v d)^2 / 2), v = 75 / 10^6, d = fullness of the normal class - 1/4.
  const limit = blockWeights(8_000_000_000n).per_class.normal.max_total?.ref_time ?? 0n;
  const full = Number(chain.system.BlockWeight.get().normal.ref_time) / Number(limit);
  const step = (75 / 1_000_000) * (full - 0.25);
  assert.ok(full > 0.25);
  assert.ok(Math.abs(Number(multiplier()) / Number(one) - (1 + step + step ** 2 / 2)) < 1e-12);
  const dearer = multiplier();
  chain.block();
  assert.ok(multiplier() < dearer, 'empty blocks make it cheaper again');
  for (let i = 0; i < 10; i++) chain.block();
  assert.equal(multiplier(), one);
});

test('batch stops at the first failure, batch_all undoes everything, force_batch goes on', () => {
  const good = transferCall('transfer_keep_alive', bob.accountId, UNIT);
  const bad = transferCall('transfer_keep_alive', bob.accountId, 10_000n * UNIT);
  const run = (name: string) => {
    const chain = new TestChain();
    const before = chain.free(bob.accountId);
    const { events, outcomes } = chain.block([
      chain.signed(alice, call('Utility', name, { calls: [good, bad, good] })),
    ]);
    const moved = (chain.free(bob.accountId) - before) / UNIT;
    const seen = names(events).filter((one) => one.startsWith('Utility') || one.startsWith('System.Extrinsic'));
    return { moved, seen: seen.slice(1), outcome: outcomes[0] };
  };
  const batch = run('batch');
  assert.equal(batch.moved, 1n);
  assert.deepEqual(batch.seen, ['Utility.ItemCompleted', 'Utility.BatchInterrupted', 'System.ExtrinsicSuccess']);
  const all = run('batch_all');
  assert.equal(all.moved, 0n);
  assert.deepEqual(all.seen, ['System.ExtrinsicFailed']);
  assert.deepEqual(all.outcome, { applied: true, error: token('FundsUnavailable') });
  const forced = run('force_batch');
  assert.equal(forced.moved, 2n);
  assert.deepEqual(forced.seen, [
    'Utility.ItemCompleted',
    'Utility.ItemFailed',
    'Utility.ItemCompleted',
    'Utility.BatchCompletedWithErrors',
    'System.ExtrinsicSuccess',
  ]);
});

test('batches inside batches are bounded, and an inherent inside one is nobody’s to send', () => {
  const chain = new TestChain();
  let nested = call('System', 'remark', { remark: new Uint8Array(1) });
  for (let depth = 0; depth < 70; depth++) nested = call('Utility', 'batch_all', { calls: [nested] });
  assert.deepEqual(outcome(chain, nested), { type: 'Transactional', value: { type: 'LimitReached' } });
  const inherent = call('Timestamp', 'set', { now: chain.time(9) });
  assert.deepEqual(outcome(chain, call('Utility', 'batch_all', { calls: [inherent] })), { type: 'BadOrigin' });
});

/** A pallet that exposes Balances' inner doors, so that random sequences can go through them. */
const VaultDeclared = pallet('Vault', {
  index: 99,
  doc: 'Takes and gives back tokens, for tests.',
  storage: {
    Held: value('Units held.', Balance, 0n),
    Of: map('Units held of an account.', AccountId, Balance, 0n),
  },
  events: { Took: event('Took.', { amount: Balance }) },
  errors: { NotThatMuch: 'The vault holds less.' },
});
const args = { amount: Balance };
const weight = rw(3, 3);
const Vault = rules(VaultDeclared, {
  calls: {
    put: {
      index: 0,
      doc: 'Puts units into the vault.',
      args,
      weight,
      run(at, { amount }) {
        withdraw(at, at.signer, amount, 'expendable');
        at.state.Held.mutate((held) => held + amount);
        at.state.Of.mutate(at.signer, (own) => own + amount);
        at.emit.Took({ amount });
      },
    },
    take: {
      index: 1,
      doc: 'Takes units out of the vault.',
      args,
      weight,
      run(at, { amount }) {
        at.ensure(at.state.Of.get(at.signer) >= amount, 'NotThatMuch');
        at.state.Of.mutate(at.signer, (own) => own - amount);
        at.state.Held.mutate((held) => held - amount);
        deposit(at, at.signer, amount);
      },
    },
    lock: { index: 2, doc: 'Locks.', args, weight, run: (at, { amount }) => lock(at, 'vaultlok', at.signer, amount) },
    unlock: { index: 6, doc: 'Unlocks.', args, weight, run: (at) => unlock(at, 'vaultlok', at.signer) },
    reserve: { index: 3, doc: 'Reserves.', args, weight, run: (at, { amount }) => reserve(at, at.signer, amount) },
    unreserve: {
      index: 4,
      doc: 'Frees.',
      args,
      weight,
      run(at, { amount }) {
        unreserve(at, at.signer, amount);
      },
    },
    slash: {
      index: 5,
      doc: 'Slashes oneself.',
      args,
      weight,
      run(at, { amount }) {
        const taken = slash(at, at.signer, amount);
        at.state.Held.mutate((held) => held + taken);
      },
    },
  },
  holdings: (at) => at.state.Held.get(),
});

test('whatever is called in whatever order, no unit appears or vanishes', () => {
  // Signatures are not the subject here.
  const host = { ...HOST, verify: () => true };
  const pairs = [1, 2, 3, 4].map((seed) => keypairFromSeed('ed25519', new Uint8Array(32).fill(seed)));
  const who = fc.nat(pairs.length - 1);
  const amount = fc.oneof(fc.bigInt(0n, 3n * ED), fc.bigInt(0n, 6n * UNIT));
  const keep = fc.boolean();
  const account = (index: number): Bytes => pairs[index]?.accountId ?? stranger;
  const calls = fc.oneof(
    fc.tuple(who, amount).map(([to, value]) => transferCall('transfer_allow_death', account(to), value)),
    fc.tuple(who, amount).map(([to, value]) => transferCall('transfer_keep_alive', account(to), value)),
    fc
      .tuple(who, keep)
      .map(([to, keep_alive]) =>
        call('Balances', 'transfer_all', { dest: { type: 'Id', value: account(to) }, keep_alive }),
      ),
    fc
      .tuple(fc.constantFrom('put', 'take', 'lock', 'unlock', 'reserve', 'unreserve', 'slash'), amount)
      .map(([name, value]) => call('Vault', name, { amount: value })),
  );
  const step = fc.record({ by: who, of: fc.oneof(calls, fc.array(calls, { maxLength: 4 }).map(batchAll)) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 24 }), (steps) => {
      const balances = pairs.slice(0, 3).map(({ accountId }) => [accountId, 5n * UNIT] as const);
      const chain = new TestChain({ host, pallets: [...CORE_PALLETS, Vault], balances });
      for (let i = 0; i < steps.length; i += 4) {
        const nonces = new Map<number, number>();
        const block = steps.slice(i, i + 4).map(({ by, of }) => {
          const pair = pairs[by] ?? alice;
          const nonce = nonces.get(by) ?? chain.system.Account.get(pair.accountId).nonce;
          nonces.set(by, nonce + 1);
          return chain.signed(pair, of, { nonce });
        });
        // Every invariant of every pallet is checked inside, on both sides.
        chain.block(block);
      }
      chain.block();
    }),
    { numRuns: 60 },
  );
});

function batchAll(calls: readonly RuntimeCall[]): RuntimeCall {
  return call('Utility', 'batch_all', { calls });
}

test('a unit planted in an account is found after the next block', () => {
  const chain = new TestChain();
  chain.block();
  const account = chain.system.Account.get(carol.accountId);
  chain.plant(carol.accountId, { ...account, data: { ...account.data, free: account.data.free + 1n } });
  assert.throws(() => chain.block(), /accounts and holdings do not sum to TotalIssuance/);
});
