/** # Pallet Slots, and what a chain of turns shares with one of work: its clients, its genesis, its records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getDynamicBuilder, getLookupFn } from '@polkadot-api/metadata-builders';
import { metadata as codec, unifyMetadata } from '@polkadot-api/substrate-bindings';
import { must } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/bytes.ts';
import { accusation } from '../../src/consensus/accusation.ts';
import { ss58Encode } from '../../src/crypto/ss58.ts';
import { chainRules } from '../../src/node/rules.ts';
import { decodeExtrinsic } from '../../src/primitives/extrinsic.ts';
import { slotItem } from '../../src/primitives/slots.ts';
import { ConfigError } from '../../src/runtime/config.ts';
import { headerAuthor } from '../../src/runtime/pallets/transaction-payment.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SlotsChain, slotsSpec, Validator } from '../consensus/slots-chain.ts';
import { ComputeChain } from './compute-chain.ts';

const chain = new SlotsChain();
const { runtime } = chain.rules;

const described = (of: Runtime) => unifyMetadata(codec.dec(of.metadata(16)));

test('PAPI reads the metadata of a chain of slots, and an accusation by it', () => {
  const builder = getDynamicBuilder(getLookupFn(described(runtime)));
  const { location, codec: args } = builder.buildCall('Slots', 'report_equivocation');
  assert.deepEqual(location, [44, 0]);
  const first = chain.make();
  const second = chain.make({ timestamp: first.timestamp + 1 });
  const bytes = accusation(runtime, { first: first.decoded, second: second.decoded });
  const { proof } = args.dec(decodeExtrinsic(bytes).call.slice(2));
  assert.deepEqual([proof.first.number, proof.second.number], [1, 1]);
  assert.equal(String(proof.second.state_root), toHex(second.decoded.stateRoot));
  const digest = proof.first.digest.map(({ type }: { type: string }) => type);
  assert.deepEqual(digest, ['PreRuntime', 'Seal']);
});

test('a chain of work has no pallet Slots: nothing of it changes', () => {
  const { consensus } = chain.spec;
  const won = chainRules({ ...chain.spec, consensus: { ...consensus, authoring: 'computePow' } }, () => {});
  assert.equal(won.consensus.slots, undefined);
  assert.ok(described(won.runtime).pallets.every(({ name }) => name !== 'Slots'));
});

test('a genesis in which nobody may author, or a key or an account stands twice, is refused', () => {
  const { genesis } = slotsSpec();
  assert.ok('runtimeGenesis' in genesis);
  const { patch } = genesis.runtimeGenesis;
  const [alice, bob] = [new Validator('Alice'), new Validator('Bob')];
  const listed = (one: Validator, key = one.key): [string, string] => [
    ss58Encode(one.account, 42),
    toHex(key.publicKey),
  ];
  const lists = [[], [listed(alice), listed(alice, bob.key)], [listed(alice), listed(bob, alice.key)]];
  for (const authorities of lists)
    assert.throws(() => runtime.genesis({ ...patch, slots: { authorities } }), ConfigError);
  assert.ok(runtime.genesis({ ...patch, slots: { authorities: [listed(alice), listed(bob)] } }).length > 0);
});

test('a block that was won is recorded as won, whatever items of other engines its header has beside', () => {
  const won = new ComputeChain();
  won.run(3);
  const winner = must(won.winOf(must(won.authors[0], 'an author')), 'a win');
  const { header, ...head } = won.block([], winner);
  const turn = slotItem({
    author: must(won.authors[1], 'another').account,
    slot: 1,
    output: new Uint8Array(32),
    proof: new Uint8Array(64),
  });
  const dressed = { ...header, digest: [turn, ...header.digest] };
  assert.deepEqual(headerAuthor(dressed), winner.author.account);
  won.goTo({ ...head, header: dressed });
  won.block();
  const last = won.pow.Wins.get(winner.fragment).at(-1);
  assert.deepEqual([last?.height, last?.step, last?.node], [header.number, winner.step, winner.node]);
});
