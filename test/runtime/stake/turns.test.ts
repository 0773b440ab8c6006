/** # Turns: on a chain of slots a session's validators author, and answer for two blocks of one slot with their stake. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '../../../src/base/assert.ts';
import { type Bytes, equal, toHex } from '../../../src/base/bytes.ts';
import { accusation } from '../../../src/consensus/accusation.ts';
import { blake2_256 } from '../../../src/crypto/hash.ts';
import { Header } from '../../../src/primitives/header.ts';
import { slotItem, slotPreHash, slotSealMessage, withSlotSeal } from '../../../src/primitives/slots.ts';
import { reader } from '../../../src/runtime/access.ts';
import type { PalletSource } from '../../../src/runtime/calls.ts';
import { supplyAudit } from '../../../src/runtime/compute-view.ts';
import { SLOT_PALLETS } from '../../../src/runtime/pallets/index.ts';
import { SlotsDeclared } from '../../../src/runtime/pallets/slots.ts';
import { slotAt } from '../../../src/runtime/slots.ts';
import { type BuiltBlock, names } from '../test-chain.ts';
import { type Somebody, StakeChain, type StakeOptions, somebody, UNIT } from './stake-chain.ts';

const EPOCH = 4;
const V = Array.from({ length: 4 }, (_, i) => somebody(`validator ${i}`));
const v = (i: number): Somebody => must(V[i], 'a validator');
const voter = somebody('a voter');

/** Blocks bear what their authors drew; execution leaves it to consensus whether the seals hold. */
class TurnChain extends StakeChain {
  override block(extrinsics: readonly Bytes[] = [], timestampMs = this.time(1)): BuiltBlock {
    const ticket = this.number === 0 ? undefined : blake2_256(Header.enc(this.header));
    const parent = { header: this.header, ticket };
    const slot = slotAt(Number(timestampMs), this.runtime.spec.blockTimeMs);
    const author = v(this.number % V.length).account;
    const preDigest = [slotItem({ author, slot, output: new Uint8Array(32), proof: new Uint8Array(64) })];
    const builder = this.runtime.builder(this.tree, parent, timestampMs, { check: true, preDigest });
    const outcomes = extrinsics.map((extrinsic) => builder.apply(extrinsic));
    const built = builder.finish();
    const header = withSlotSeal(built.header, new Uint8Array(64));
    const executed = this.runtime.execute(this.tree, { header, extrinsics: built.extrinsics }, parent, { check: true });
    assert.ok(executed.ok, executed.ok ? '' : `${executed.code}: ${executed.detail}`);
    this.tree = executed.tree;
    this.header = header;
    assert.ok(supplyAudit(this.tree).exact);
    return { header, extrinsics: built.extrinsics, outcomes, events: executed.events.map(({ event }) => event) };
  }
}

const chainOf = (options: StakeOptions = {}) =>
  new TurnChain({
    pallets: SLOT_PALLETS as unknown as readonly PalletSource[],
    spec: { epochSlots: EPOCH },
    keyed: V,
    stakers: [...V.map((who) => [who, 100n * UNIT, 'Validator'] as const), [voter, 80n * UNIT, [v(0)]]],
    endowed: [voter],
    ...options,
  });

const slots = (chain: StakeChain) => reader(SlotsDeclared, chain.tree);
const bonded = (chain: StakeChain, who: Somebody) => chain.staking.Ledger.get(who.account)?.total ?? 0n;
const authors = (chain: StakeChain): string[] =>
  must(slots(chain).Current.get(), 'an epoch').authorities.map(({ account }) => toHex(account));

/** Two sealed headers of the slot of the present block. */
function twice(chain: StakeChain, by: Somebody): { first: Header; second: Header } {
  const slot = slotAt(Number(chain.time(0)), chain.runtime.spec.blockTimeMs);
  const seal = (number: number): Header => {
    const drawn = { output: new Uint8Array(32), proof: new Uint8Array(64) };
    const unsealed = { ...chain.header, number, digest: [slotItem({ author: by.account, slot, ...drawn })] };
    return withSlotSeal(unsealed, by.authoring.sign(slotSealMessage(chain.genesisHash, slotPreHash(unsealed))));
  };
  return { first: seal(7), second: seal(8) };
}

test('the validators of the first session take the first turns, by their authoring keys', () => {
  const chain = chainOf();
  const { authorities } = must(slots(chain).Current.get(), 'an epoch');
  assert.equal(authorities.length, 4);
  for (const { account, key } of authorities) {
    const who = must(
      V.find((one) => equal(one.account, account)),
      'a validator',
    );
    assert.deepEqual(key, who.keys.authoring);
  }
});

test('a chain that names neither validators nor authorities is refused at its genesis', () => {
  assert.throws(() => chainOf({ keyed: [], stakers: [] }), /slots.authorities/);
});

test('who seals two headers of one slot pays with its voters, and takes no turn any more', () => {
  const chain = chainOf();
  chain.to(6);
  const { outcomes, events } = chain.block([accusation(chain.runtime, twice(chain, v(0)))]);
  assert.ok(outcomes[0]?.applied);
  for (const name of ['Slots.Equivocated', 'Offences.Offence', 'Staking.Slashed', 'Session.ValidatorDisabled'])
    assert.ok(names(events).includes(name), name);
  chain.block();
  assert.ok(bonded(chain, v(0)) < 100n * UNIT && bonded(chain, voter) < 80n * UNIT);
  assert.equal(bonded(chain, v(1)), 100n * UNIT);
  // The epoch under way and the next one were fixed before.
  chain.to(chain.number + 3 * EPOCH);
  assert.equal(authors(chain).length, 3);
  assert.ok(!authors(chain).includes(toHex(v(0).account)));
});

test('who left its seat answers for the slots of then while they are kept', () => {
  const chain = chainOf();
  chain.to(6);
  const proof = twice(chain, v(1));
  chain.does([v(1), 'Staking.chill', {}]);
  while (authors(chain).includes(toHex(v(1).account))) chain.block();
  const before = bonded(chain, v(1));
  chain.block([accusation(chain.runtime, proof)]);
  chain.block();
  assert.ok(bonded(chain, v(1)) < before);
});
