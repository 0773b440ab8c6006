/** # Anything: calls of all pallets within calls of all others, by anyone, in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compare } from '../../src/base/bytes.ts';
import { blake2_256 } from '../../src/crypto/hash.ts';
import { reader } from '../../src/runtime/access.ts';
import type { RuntimeCall } from '../../src/runtime/calls.ts';
import { Balances } from '../../src/runtime/pallets/balances.ts';
import { multiAccount } from '../../src/runtime/pallets/multisig.ts';
import { derivative } from '../../src/runtime/pallets/utility.ts';
import { call, transferCall, UNIT } from './test-chain.ts';
import { asRoot, aTransfer, byAnyone, CROWD, id, member, WalletChain, whateverIsCalled } from './wallet-chain.ts';

const chain = new WalletChain();
const hashOf = (of: RuntimeCall) => blake2_256(chain.runtime.Call.enc(of));
const kind = fc.constantFrom('Any', 'NonTransfer', 'CancelProxy').map((type) => ({ type }));
const bytes = fc.constantFrom(new Uint8Array(5), new Uint8Array(200));
const NONE = { type: 'None' };
const blank = { additional: [], legal: NONE, web: NONE, riot: NONE, email: NONE, image: NONE, twitter: NONE };
const info = { ...blank, display: { type: 'Raw1', value: Uint8Array.of(65) }, pgp_fingerprint: undefined };
const schedule = { locked: UNIT, per_block: UNIT / 4n, starting_block: 2 };

/** Two people's account, and the one that each of them derives. */
const [one, two] = CROWD.slice(0, 2).map(({ accountId }) => accountId) as [Uint8Array, Uint8Array];
const joint = multiAccount([one, two].sort(compare), 2);
const shared = fc.constantFrom(joint, derivative(one, 0), derivative(two, 0));

const leaf = fc.oneof(
  aTransfer,
  shared.map((to) => transferCall('transfer_keep_alive', to, 3n * UNIT)),
  fc.boolean().map((keep_alive) => call('Balances', 'burn', { value: UNIT / 3n, keep_alive })),
  member.map(({ accountId }) => call('Balances', 'transfer_all', { dest: id(accountId), keep_alive: false })),
  fc
    .tuple(member, kind)
    .map(([to, proxy_type]) => call('Proxy', 'add_proxy', { delegate: id(to.accountId), proxy_type, delay: 0 })),
  fc.constantFrom(call('Proxy', 'remove_proxies'), call('Vesting', 'vest'), call('Identity', 'clear_identity')),
  kind.map((proxy_type) => call('Proxy', 'create_pure', { proxy_type, delay: 0, index: 0 })),
  member.map(({ accountId }) => call('Vesting', 'vested_transfer', { target: id(accountId), schedule })),
  bytes.map((of) => call('Preimage', 'note_preimage', { bytes: of })),
  bytes.map((of) => call('Preimage', 'unnote_preimage', { hash: blake2_256(of) })),
  fc.constant(call('Identity', 'set_identity', { info })),
  member.map(({ accountId }) => call('Identity', 'add_sub', { sub: id(accountId), data: NONE })),
);

const anything: fc.Arbitrary<RuntimeCall> = fc.letrec<{ any: RuntimeCall; nested: RuntimeCall }>((tie) => {
  const list = fc.array(tie('any'), { maxLength: 3 });
  const pair = fc.tuple(tie('any'), tie('any'));
  return {
    any: fc.oneof({ maxDepth: 3, depthSize: 'small' }, leaf, tie('nested')),
    nested: fc.oneof(
      fc
        .tuple(fc.constantFrom('batch', 'batch_all', 'force_batch'), list)
        .map(([name, calls]) => call('Utility', name, { calls })),
      pair.map(([main, fallback]) => call('Utility', 'if_else', { main, fallback })),
      tie('any').map((of) => call('Utility', 'as_derivative', { index: 0, call: of })),
      fc
        .tuple(member, tie('any'))
        .map(([{ accountId }, of]) =>
          call('Proxy', 'proxy', { real: id(accountId), force_proxy_type: undefined, call: of }),
        ),
      tie('any').map(asRoot),
      tie('any').map((of) =>
        asRoot(call('Scheduler', 'schedule_after', { after: 1, maybe_periodic: [1, 2], priority: 0, call: of })),
      ),
      fc.tuple(fc.constantFrom(one, two), tie('any')).map(([other, of]) =>
        call('Multisig', 'as_multi', {
          threshold: 2,
          other_signatories: [other],
          maybe_timepoint: undefined,
          call: of,
          max_weight: { ref_time: 10_000_000_000n, proof_size: 1_000_000n },
        }),
      ),
      fc.tuple(fc.constantFrom(one, two), tie('any'), fc.nat(5), fc.nat(4)).map(([other, of, height, index]) =>
        call('Multisig', 'approve_as_multi', {
          threshold: 2,
          other_signatories: [other],
          maybe_timepoint: { height, index },
          call_hash: hashOf(of),
          max_weight: { ref_time: 0n, proof_size: 0n },
        }),
      ),
    ),
  };
}).any;

test('whatever is called within whatever, no unit appears or vanishes, and every invariant holds', () => {
  whateverIsCalled(
    byAnyone(anything),
    ({ tree }) => {
      const { TotalIssuance, Burned, GenesisIssuance } = reader(Balances, tree);
      assert.equal(TotalIssuance.get() + Burned.get(), GenesisIssuance.get());
    },
    80,
  );
});

test('every call of every pallet is read back as it was written, within any other', () => {
  const { Call } = chain.runtime;
  fc.assert(
    fc.property(anything, (of) => {
      const encoded = Call.enc(of);
      assert.deepEqual(Call.enc(Call.dec(encoded)), encoded);
    }),
  );
});
