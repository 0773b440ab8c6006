/** # The pallet language: what does not exist does not type-check, and what is declared is what is stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { hash, u32, u64, unit } from '../../src/codec/index.ts';
import { bareExtrinsic } from '../../src/primitives/extrinsic.ts';
import { reader, readStorage } from '../../src/runtime/access.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import { invalid } from '../../src/runtime/errors.ts';
import { constant, event, method, pallet, rules, type Scope } from '../../src/runtime/pallet.ts';
import { Balances } from '../../src/runtime/pallets/balances.ts';
import { System } from '../../src/runtime/pallets/system.ts';
import { CORE_PALLETS } from '../../src/runtime/pallets.ts';
import { identity, map, storageKey, twox64Concat, value } from '../../src/runtime/storage.ts';
import { AccountId } from '../../src/runtime/types.ts';
import { rw } from '../../src/runtime/weights.ts';
import { alice, call, names, TestChain } from './test-chain.ts';

const SERIAL = 'the chain counts';
const Declared = pallet('Shelf', {
  index: 77,
  doc: 'Keeps numbers, for tests.',
  constants: { Room: constant('Most books.', u32, (spec) => spec.eraBlocks) },
  storage: {
    Last: value('The last number.', u32),
    Count: value('How many.', u64, 0n),
    Owner: map('Who put a number.', twox64Concat(u32, SERIAL), AccountId),
    ByOwner: map('Numbers of an owner.', [AccountId, twox64Concat(u32, SERIAL)], unit),
    Marks: map('Marks by hash.', identity(hash, 'hashes are even already'), u32, 7),
    Eras: map('Eras that ended.', twox64Concat(u32, SERIAL), u32),
  },
  events: { Put: event('A number was put.', { who: AccountId, number: u32 }), Cleared: event('All gone.', {}) },
  errors: { Full: 'There is no room.', Twice: 'The number is there already.' },
});

const Shelf = rules(Declared, {
  calls: {
    put: {
      index: 0,
      doc: 'Puts a number.',
      args: { number: u32 },
      weight: ({ number }) => rw(1, 1, BigInt(number)),
      run(at, { number }) {
        at.ensure(!at.state.Owner.has(number), 'Twice');
        at.ensure(at.state.Count.get() < BigInt(at.const.Room), 'Full');
        at.state.Owner.put(number, at.signer);
        at.state.ByOwner.put(at.signer, number, undefined);
        at.state.Count.mutate((count) => count + 1n);
        at.state.Last.put(number);
        at.emit.Put({ who: at.signer, number });
      },
    },
    clear: {
      index: 3,
      doc: 'Takes all numbers of the signer away.',
      args: {},
      weight: rw(1, 1),
      run(at) {
        for (const [, number] of at.state.ByOwner.keys(at.signer)) at.state.Owner.delete(number);
        const count = at.state.ByOwner.clear(at.signer);
        at.state.Count.mutate((before) => before - BigInt(count));
        at.emit.Cleared();
      },
    },
    offer: {
      index: 4,
      doc: 'Marks a hash, by nobody in particular.',
      args: { of: hash, number: u32 },
      weight: rw(1, 1),
      origin: 'bare',
      validate(at, { of, number }) {
        if (number === 0) throw invalid(3);
        if (at.state.Marks.has(of)) throw invalid('Stale');
        return { priority: 5n, provides: [of], longevity: 10 };
      },
      run(at, { of, number }) {
        at.state.Marks.put(of, number);
      },
    },
  },
  hooks: {
    on_era(at, era) {
      at.state.Eras.put(era, at.block.number);
    },
  },
  apis: [
    {
      name: 'ShelfApi',
      version: 1,
      doc: 'Looks at the shelf.',
      methods: {
        owner: method({
          doc: 'Who put a number.',
          args: { number: u32 },
          output: AccountId,
          run: (at, { number }) => at.use(Declared).some(at.use(Declared).state.Owner.get(number), 'Twice'),
        }),
      },
    },
  ],
  invariant: (at) => [...at.state.Owner.keys()].length === Number(at.state.Count.get()) || 'the count is wrong',
});

const chainWithShelf = (eraBlocks = 300) => new TestChain({ pallets: [...CORE_PALLETS, Shelf], spec: { eraBlocks } });
const put = (number: number): RuntimeCall => call('Shelf', 'put', { number });

// Never run: this function exists to be type-checked.
export function whatDoesNotTypeCheck(at: Scope<typeof Declared>): void {
  // @ts-expect-error no such event
  at.emit.Putt({ who: at.signer, number: 1 });
  // @ts-expect-error a field is missing
  at.emit.Put({ who: at.signer });
  // @ts-expect-error a field has another type
  at.emit.Put({ who: at.signer, number: 1n });
  // @ts-expect-error no such error
  at.ensure(true, 'Fuller');
  // @ts-expect-error no such item
  at.state.Lost.get();
  // @ts-expect-error no such constant
  at.const.Rooms;
  // @ts-expect-error a constant of another type
  at.const.Room.length;
  // @ts-expect-error the key has another type
  at.state.Owner.get('7');
  // @ts-expect-error a key is missing
  at.state.ByOwner.has(at.signer);
  // @ts-expect-error the value has another type
  at.state.Count.put(1);
  // @ts-expect-error an optional value may be absent
  at.state.Last.get().toFixed();
  // @ts-expect-error a prefix has the first key first
  at.state.ByOwner.keys(7);
  // @ts-expect-error another pallet has no such item
  at.use(Balances).state.Shelf.get();
  // @ts-expect-error a reader cannot write
  reader(Declared, { get: () => undefined, keys: () => [] }).Count.put(1n);
  // @ts-expect-error the key has another type
  readStorage({ get: () => undefined, keys: () => [] }, Shelf.storage.Owner, 1n);
  rules(Declared, {
    calls: {
      wrong: {
        index: 9,
        doc: '',
        args: { a: u32 },
        weight: rw(0, 0),
        run(scope, { a }) {
          // @ts-expect-error an argument has the type of its codec
          scope.state.Count.put(a);
        },
      },
    },
  });
  const total: bigint = at.use(Balances).state.TotalIssuance.get();
  at.use(System).emit.KilledAccount({ account: at.signer });
  at.ensure(total > 0n, 'Full');
}

test('items live where wallets look for them', () => {
  assert.equal(
    toHex(storageKey(System.storage.Account, [alice.accountId])),
    `0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9de1e86a9a8c739864cf3cc5ec2bea59f${toHex(alice.accountId).slice(2)}`,
  );
  assert.equal(storageKey(Shelf.storage.Marks, [new Uint8Array(32)]).length, 64);
  assert.equal(storageKey(Shelf.storage.ByOwner, [new Uint8Array(32), 1]).length, 32 + 48 + 12);
});

test('maps of one and of two keys are listed by prefix, and their keys read back', () => {
  const chain = chainWithShelf();
  const many = [3, 1, 4, 1_000, 5, 9, 2, 6];
  chain.block(many.map((number, nonce) => chain.signed(alice, put(number), { nonce })));
  const shelf = reader(Shelf, chain.tree);
  assert.deepEqual(
    [...shelf.Owner.keys()].sort((a, b) => a - b),
    many.toSorted((a, b) => a - b),
  );
  const mine = [...shelf.ByOwner.keys(alice.accountId)].map(([who, number]) => {
    assert.deepEqual(who, alice.accountId);
    return number;
  });
  assert.equal(mine.length, many.length);
  assert.equal([...shelf.ByOwner.keys(new Uint8Array(32))].length, 0);
  assert.equal(shelf.Marks.get(new Uint8Array(32)), 7);
  assert.equal(shelf.Marks.has(new Uint8Array(32)), false);
  assert.equal(readStorage(chain.tree, Shelf.storage.Count), 8n);
  chain.block([chain.signed(alice, call('Shelf', 'clear'))]);
  assert.equal(readStorage(chain.tree, Shelf.storage.Count), 0n);
  assert.equal([...reader(Shelf, chain.tree).Owner.keys()].length, 0);
});

test('a failing call leaves its error by pallet and position, and nothing else', () => {
  const chain = chainWithShelf();
  const { outcomes, events } = chain.block([
    chain.signed(alice, put(1)),
    chain.signed(alice, put(1), { nonce: 1 }),
    chain.signed(alice, put(2), { nonce: 2 }),
  ]);
  assert.deepEqual(outcomes[1], {
    applied: true,
    error: { type: 'Module', value: { index: 77, error: Uint8Array.of(1, 0, 0, 0) } },
  });
  assert.equal(names(events).filter((name) => name === 'Shelf.Put').length, 2);
});

test('a bare call is judged by its own rule, before the pool and again in the block', () => {
  const chain = chainWithShelf();
  const of = new Uint8Array(32).fill(4);
  const offer = (number: number) => bareExtrinsic(chain.runtime.Call.enc(call('Shelf', 'offer', { of, number }))).bytes;
  const verdict = chain.runtime.validate(chain.tree, offer(2), chain.at);
  assert.deepEqual(verdict, {
    ok: true,
    priority: 5n,
    requires: [],
    provides: [of],
    longevity: 10n,
    propagate: true,
  });
  const refused = chain.runtime.validate(chain.tree, offer(0), chain.at);
  assert.deepEqual(refused.ok ? '' : refused.error.value, { type: 'Custom', value: [3] });
  const { outcomes } = chain.block([offer(2), offer(2)]);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.applied ? 'applied' : outcome.error.value.type)),
    ['applied', 'Stale'],
  );
  // Signed, it is nobody's call.
  const { outcomes: signed } = chain.block([chain.signed(alice, call('Shelf', 'offer', { of, number: 1 }))]);
  assert.deepEqual(signed[0], { applied: true, error: { type: 'BadOrigin' } });
});

test('an era ends in the first block of the next one', () => {
  const chain = chainWithShelf(3);
  for (let i = 0; i < 8; i++) chain.block();
  assert.deepEqual(
    [...reader(Shelf, chain.tree).Eras.entries()].sort(([a], [b]) => a - b),
    [
      [0, 4],
      [1, 7],
    ],
  );
});

test('a function of a pallet is called by name, and refuses arguments that are none', () => {
  const chain = chainWithShelf();
  chain.block([chain.signed(alice, put(5))]);
  const at = chain.at;
  const found = chain.runtime.call(chain.tree, 'ShelfApi_owner', u32.enc(5), at);
  assert.deepEqual(found, { ok: true, output: alice.accountId });
  const missing = chain.runtime.call(chain.tree, 'ShelfApi_owner', u32.enc(6), at);
  assert.equal(missing.ok ? '' : missing.code, 'Refused');
  const short = chain.runtime.call(chain.tree, 'ShelfApi_owner', new Uint8Array(3), at);
  assert.equal(short.ok ? '' : short.code, 'BadArguments');
  const unknown = chain.runtime.call(chain.tree, 'ShelfApi_nothing', new Uint8Array(0), at);
  assert.equal(unknown.ok ? '' : unknown.code, 'UnknownFunction');
});
