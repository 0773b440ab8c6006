/** # Blocks: what execution promises to consensus, wallets and everyone who replays it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, equal } from '../../src/base/bytes.ts';
import { u128 } from '../../src/codec/index.ts';
import { mortalEra } from '../../src/primitives/era.ts';
import { bareExtrinsic } from '../../src/primitives/extrinsic.ts';
import { reader, readStorage } from '../../src/runtime/access.ts';
import type { PalletSource } from '../../src/runtime/calls.ts';
import { pallet, rules } from '../../src/runtime/pallet.ts';
import { BLOCK_HASH_COUNT, CODE_KEY, System } from '../../src/runtime/pallets/system.ts';
import { Timestamp } from '../../src/runtime/pallets/timestamp.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { createRuntime } from '../../src/runtime/runtime.ts';
import { DEFAULT_SPEC } from '../../src/runtime/spec.ts';
import { value } from '../../src/runtime/storage.ts';
import { rw } from '../../src/runtime/weights.ts';
import { orderedRoot } from '../../src/state/trie/root.ts';
import { alice, bob, call, carol, dave, HOST, names, sealed, TestChain, transferCall, UNIT } from './test-chain.ts';

test('an empty block holds its timestamp and can always be built', () => {
  const chain = new TestChain();
  const block = chain.block();
  assert.equal(block.extrinsics.length, 1);
  assert.deepEqual(names(block.events), ['System.ExtrinsicSuccess']);
  assert.equal(reader(Timestamp, chain.tree).Now.get(), chain.time(0));
  // Even by a clock that stands still or went back.
  chain.block([], 5n);
  assert.equal(reader(Timestamp, chain.tree).Now.get(), chain.time(-1) + 1n);
});

test('the state knows its number, its parent and recent hashes', () => {
  const chain = new TestChain();
  const first = chain.block();
  chain.block();
  assert.equal(chain.system.Number.get(), 2);
  assert.ok(equal(chain.system.ParentHash.get(), chain.header.parentHash));
  assert.ok(equal(chain.system.BlockHash.get(1), chain.header.parentHash));
  assert.ok(equal(chain.system.BlockHash.get(0), first.header.parentHash));
});

test('who won a block leaves no trace in its own state', () => {
  const [mine, yours] = [new TestChain(), new TestChain()];
  yours.author = bob.accountId;
  const a = mine.block([mine.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT))]);
  const b = yours.block([yours.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT))]);
  assert.ok(!equal(mine.at.hash, yours.at.hash));
  assert.ok(equal(a.header.stateRoot, b.header.stateRoot));
  assert.deepEqual(mine.system.Digest.get(), []);
  // The next block pays the author that the sealed header names.
  mine.block();
  yours.block();
  assert.ok(!equal(mine.header.stateRoot, yours.header.stateRoot));
});

test('a block that differs from what it did is refused, each way by its own name', () => {
  const chain = new TestChain();
  const parent = { header: chain.header, ticket: undefined };
  const builder = chain.runtime.builder(chain.tree, parent, chain.time(1));
  const transfer = chain.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT));
  assert.ok(builder.apply(transfer).applied);
  const { header, extrinsics } = builder.finish();
  const refusal = (change: object, body = extrinsics) => {
    const executed = chain.runtime.execute(chain.tree, { header: { ...header, ...change }, extrinsics: body }, parent);
    return executed.ok ? 'accepted' : executed.code;
  };
  const emptyRoot = chain.header.extrinsicsRoot;
  assert.equal(refusal({}), 'accepted');
  assert.equal(refusal({ number: 2 }), 'WrongParent');
  assert.equal(refusal({ parentHash: new Uint8Array(32) }), 'WrongParent');
  assert.equal(refusal({}, extrinsics.toReversed()), 'WrongExtrinsicsRoot');
  assert.equal(refusal({ extrinsicsRoot: emptyRoot }, []), 'MissingInherents');
  assert.equal(refusal({ stateRoot: new Uint8Array(32) }), 'WrongStateRoot');
  assert.equal(refusal({ digest: [{ type: 'Other', value: new Uint8Array(3) }] }), 'WrongDigest');
  assert.equal(refusal({ digest: sealed(header, dave.accountId).digest }), 'accepted');
});

test('inherents stand first, once, and never arrive from outside', () => {
  const chain = new TestChain();
  const inherent = bareExtrinsic(chain.runtime.Call.enc(call('Timestamp', 'set', { now: chain.time(2) }))).bytes;
  const { outcomes } = chain.block([inherent]);
  assert.deepEqual(outcomes, [
    { applied: false, error: { type: 'Invalid', value: { type: 'Call' } }, kind: 'invalid' },
  ]);
  const signedInherent = chain.signed(alice, call('Timestamp', 'set', { now: chain.time(2) }));
  for (const from of [inherent, signedInherent]) {
    assert.deepEqual(chain.runtime.validate(chain.tree, from, chain.at), {
      ok: false,
      error: { type: 'Invalid', value: { type: 'MandatoryValidation' } },
      malformed: false,
    });
  }
});

test('nonce, era, genesis and signature are judged by the codes that wallets know', () => {
  const chain = new TestChain();
  for (let i = 0; i < 6; i++) chain.block();
  const transfer = transferCall('transfer_keep_alive', bob.accountId, UNIT);
  const code = (bytes: Uint8Array) => {
    const verdict = chain.runtime.validate(chain.tree, bytes, chain.at);
    return verdict.ok ? 'valid' : verdict.error.value.type;
  };
  assert.equal(code(chain.signed(alice, transfer)), 'valid');
  const tampered = chain.signed(alice, transfer).slice();
  tampered[tampered.length - 1] = (tampered.at(-1) ?? 0) ^ 1;
  assert.equal(code(tampered), 'BadProof');
  // Signed for another chain: the payload differs, the signature does not fit.
  assert.equal(code(new TestChain({ balances: [[alice.accountId, UNIT]] }).signed(alice, transfer)), 'BadProof');
  assert.equal(code(chain.signed(alice, transfer, { era: mortalEra(64, 6) }, chain.at.hash)), 'valid');
  assert.equal(code(chain.signed(alice, transfer, { era: mortalEra(4, 2) }, chain.genesisHash)), 'BadProof');
  const ancient = { type: 'Mortal', period: 65_536, phase: 32_768 } as const;
  assert.equal(code(chain.signed(alice, transfer, { era: ancient })), 'AncientBirthBlock');
  assert.equal(code(chain.signed(alice, transfer, { tip: 10_000n * UNIT })), 'Payment');
  const poor = new TestChain({ balances: [[alice.accountId, UNIT]] });
  const unpaid = poor.signed(bob, transfer);
  const verdict = poor.runtime.validate(poor.tree, unpaid, poor.at);
  assert.equal(verdict.ok ? '' : verdict.error.value.type, 'Payment');
  chain.block([chain.signed(alice, transfer)]);
  assert.equal(code(chain.signed(alice, transfer, { nonce: 0 })), 'Stale');
});

test('a transaction with a nonce ahead waits for the one before it', () => {
  const chain = new TestChain();
  const transfer = transferCall('transfer_keep_alive', bob.accountId, UNIT);
  const later = chain.runtime.validate(chain.tree, chain.signed(alice, transfer, { nonce: 1 }), chain.at);
  const now = chain.runtime.validate(chain.tree, chain.signed(alice, transfer), chain.at);
  assert.ok(later.ok && now.ok);
  assert.deepEqual(later.requires, now.provides);
  assert.deepEqual(now.requires, []);
  const { outcomes } = chain.block([chain.signed(alice, transfer, { nonce: 1 })]);
  assert.deepEqual(outcomes, [
    { applied: false, error: { type: 'Invalid', value: { type: 'Future' } }, kind: 'future' },
  ]);
});

test('all three signature schemes sign transfers', () => {
  const chain = new TestChain();
  const { outcomes, events } = chain.block(
    [alice, carol, dave].map((pair) => chain.signed(pair, transferCall('transfer_keep_alive', bob.accountId, UNIT))),
  );
  assert.ok(outcomes.every((outcome) => outcome.applied && outcome.error === undefined));
  assert.equal(names(events).filter((name) => name === 'Balances.Transfer').length, 3);
});

test('events come in the order that wallets rely on, the outcome last', () => {
  const chain = new TestChain();
  chain.block();
  const stranger = new Uint8Array(32).fill(9);
  const { events } = chain.block([chain.signed(alice, transferCall('transfer_allow_death', stranger, UNIT))]);
  assert.deepEqual(names(events), [
    'System.ExtrinsicSuccess',
    'Balances.Withdraw',
    'System.NewAccount',
    'Balances.Endowed',
    'Balances.Transfer',
    'TransactionPayment.TransactionFeePaid',
    'System.ExtrinsicSuccess',
  ]);
  assert.deepEqual(names(chain.runtime.Events.dec(chain.system.Events.get()).map(({ event }) => event)), names(events));
  assert.equal(chain.system.EventCount.get(), events.length);
});

test('a full block refuses what does not fit and is still a block', () => {
  const chain = new TestChain({ spec: { blockLength: 4_096 } });
  const remark = (size: number, nonce: number) =>
    chain.signed(alice, call('System', 'remark', { remark: new Uint8Array(size) }), { nonce });
  const { outcomes } = chain.block([remark(2_000, 0), remark(2_000, 1), remark(100, 1)]);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.applied ? 'applied' : outcome.kind)),
    ['applied', 'exhausted', 'applied'],
  );
});

test('bytes that are no extrinsic are refused, never thrown at', () => {
  const chain = new TestChain();
  const transfer = chain.signed(alice, transferCall('transfer_keep_alive', bob.accountId, UNIT));
  for (let length = 0; length < transfer.length; length++) {
    const verdict = chain.runtime.validate(chain.tree, transfer.slice(0, length), chain.at);
    assert.ok(!verdict.ok && verdict.malformed);
  }
  for (let i = 0; i < transfer.length; i++) {
    const broken = transfer.slice();
    broken[i] = (broken[i] ?? 0) ^ 0xff;
    assert.ok(!chain.runtime.validate(chain.tree, broken, chain.at).ok);
  }
});

test('the first block of a new version says so, and changes the marker that clients cache by', () => {
  const chain = new TestChain();
  chain.block();
  const before = chain.tree.get(CODE_KEY);
  const next = createRuntime({
    pallets: CORE_PALLETS,
    spec: { ...DEFAULT_SPEC, specVersion: DEFAULT_SPEC.specVersion + 1 },
    host: HOST,
  });
  const builder = next.builder(chain.tree, { header: chain.header, ticket: undefined }, chain.time(1));
  const { tree, events } = builder.finish();
  assert.equal(names(events.map(({ event }) => event))[0], 'System.CodeUpdated');
  assert.notDeepEqual(tree.get(CODE_KEY), before);
  assert.equal(readStorage(tree, System.storage.LastRuntimeUpgrade)?.spec_version, DEFAULT_SPEC.specVersion + 1);
});

test('hashes of 2,400 blocks are kept, and that of the genesis forever', () => {
  const chain = new TestChain({ balances: [] });
  for (let i = 0; i < BLOCK_HASH_COUNT + 3; i++) chain.block();
  const heights = [...chain.system.BlockHash.keys()];
  assert.equal(heights.length, BLOCK_HASH_COUNT + 1);
  assert.ok(heights.includes(0) && !heights.includes(1) && heights.includes(chain.header.number - 1));
});

test('whatever bytes arrive, judging, calling and executing answer and never throw', () => {
  const chain = new TestChain();
  const batch = call('Utility', 'batch', { calls: [transferCall('transfer_keep_alive', bob.accountId, UNIT)] });
  const seeds = [chain.signed(alice, batch), chain.signed(alice, batch, { era: mortalEra(64, 0) }, chain.at.hash)];
  const functions = [
    'Metadata_metadata_at_version',
    'TaggedTransactionQueue_validate_transaction',
    'BlockBuilder_apply_extrinsic',
    'TransactionPaymentApi_query_info',
    'TransactionPaymentApi_query_fee_details',
    'TransactionPaymentCallApi_query_call_info',
    'TransactionPaymentCallApi_query_call_fee_details',
    'TransactionPaymentApi_query_weight_to_fee',
    'AccountNonceApi_account_nonce',
  ];
  const change = fc.record({ at: fc.nat(400), to: fc.nat(255) });
  const parent = { header: chain.header, ticket: undefined };
  const { header, extrinsics } = chain.runtime.builder(chain.tree, parent, chain.time(1)).finish();
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(change, { maxLength: 4 }),
      fc.uint8Array(),
      (seed, changes, raw) => {
        const mutated = seed.slice();
        for (const { at, to } of changes) if (at < mutated.length) mutated[at] = to;
        for (const bytes of [mutated, raw]) {
          chain.runtime.validate(chain.tree, bytes, chain.at);
          for (const fn of functions) {
            chain.runtime.call(chain.tree, fn, bytes, chain.at);
            chain.runtime.call(chain.tree, fn, concat(Uint8Array.of(2), bytes, chain.at.hash), chain.at);
          }
          const body = [...extrinsics, bytes];
          const block = { header: { ...header, extrinsicsRoot: orderedRoot(body) }, extrinsics: body };
          const executed = chain.runtime.execute(chain.tree, block, parent);
          assert.ok(!executed.ok);
        }
      },
    ),
    { numRuns: 150 },
  );
});

const Spender = pallet('Spender', {
  index: 99,
  doc: 'A pallet with a bug.',
  storage: { Left: value('What is left.', u128, 0n), Spent: value('What was spent.', u128, 0n) },
});

test('a call that reckons what its type cannot hold fails alone: it pays, leaves nothing, and stops no node', () => {
  const spender = rules(Spender, {
    calls: {
      spend: {
        index: 0,
        doc: 'Spends more than is left.',
        args: { amount: u128 },
        weight: rw(1, 2),
        run(at, { amount }) {
          at.state.Spent.mutate((spent) => spent + amount);
          at.state.Left.mutate((left) => left - amount);
        },
      },
    },
  });
  const chain = new TestChain({ pallets: [...CORE_PALLETS, spender as unknown as PalletSource] });
  const free = chain.free(alice.accountId);
  const spend = (amount: bigint) => chain.signed(alice, call('Spender', 'spend', { amount }));
  for (const amount of [1n, (1n << 128n) - 1n]) {
    const { outcomes } = chain.anyBlock([spend(amount)]);
    const error = { type: 'Arithmetic', value: { type: 'Overflow', value: undefined } };
    assert.deepEqual(JSON.parse(JSON.stringify(outcomes)), JSON.parse(JSON.stringify([{ applied: true, error }])));
    assert.equal(reader(Spender, chain.tree).Spent.get(), 0n);
  }
  assert.ok(chain.free(alice.accountId) < free);
  assert.throws(() => chain.block([spend(1n)]));
});
