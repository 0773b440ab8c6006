/** # Equivocation of an author: noticed by every node that sees both headers, and proven on chain by anybody. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { equal } from '../../src/base/bytes.ts';
import { accusation } from '../../src/consensus/accusation.ts';
import { Witness } from '../../src/consensus/equivocation.ts';
import type { DecodedBlock } from '../../src/consensus/import.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { type Header, headerHash } from '../../src/primitives/header.ts';
import { readSlotSealed, type SlotEquivocation } from '../../src/primitives/slots.ts';
import { readStorage } from '../../src/runtime/access.ts';
import { SlotsDeclared } from '../../src/runtime/pallets/slots.ts';
import { epochAt } from '../../src/runtime/slots.ts';
import { type SlotBlock, SlotsChain, slotsSpec } from './slots-chain.ts';
import { SlotsNode } from './slots-node.ts';
import { effectOf, refusalOf } from './world.ts';

before(async () => {
  await installFastPaths();
});

const world = new SlotsChain(slotsSpec({ epochSlots: 4 }));

/** A node, and two blocks that one author made for the slot after its head. */
function caught() {
  const node = new SlotsNode(world);
  node.grow(2);
  const first = node.make();
  const second = node.make({ timestamp: first.timestamp + 1 });
  const third = node.make({ timestamp: first.timestamp + 2 });
  node.now = third.timestamp;
  return { node, first, second, third, proof: { first: first.decoded, second: second.decoded } };
}

const validity = (node: SlotsNode, proof: SlotEquivocation) => {
  const view = node.store.view(node.store.best.hash);
  assert.ok(view);
  return world.rules.runtime.validate(view, accusation(world.rules.runtime, proof), node.store.best);
};
const refusal = (node: SlotsNode, proof: SlotEquivocation): string | undefined => {
  const result = validity(node, proof);
  return result.ok ? undefined : (result.error.value as { type: string }).type;
};

test('two headers of one slot by one author are noticed at import, once; a third is not passed on', () => {
  const { node, first, second, third } = caught();
  assert.equal(effectOf(node.give(first), 'sealedTwice'), undefined);
  assert.equal(node.chain.vet(node.now, second.header, second.opening), 'fits');
  const effects = node.give(second);
  const proof = effectOf(effects, 'sealedTwice')?.proof;
  assert.ok(proof && equal(headerHash(proof.first), first.hash) && equal(headerHash(proof.second), second.hash));
  // Which of the two the chain will go on with is not known: both are kept.
  assert.equal(refusalOf(effects), undefined);
  assert.equal(node.chain.vet(node.now, third.header, third.opening), 'stale');
  const late = node.give(third);
  assert.equal(effectOf(late, 'sealedTwice'), undefined);
  // Whoever builds on it still can: it is taken where it is asked for.
  assert.equal(refusalOf(late), undefined);
});

test('one seal in a slot is no offence, whichever branch it is on, nor are two seals in two slots', () => {
  const node = new SlotsNode(world);
  const blocks = node.grow(6);
  const [, , early] = blocks;
  assert.ok(early);
  const rival = node.make({ slot: (blocks.at(-1) as SlotBlock).slot + 1 }, early.hash);
  node.now = rival.timestamp;
  const effects = node.give(rival);
  assert.deepEqual([refusalOf(effects), effectOf(effects, 'sealedTwice')], [undefined, undefined]);
});

test('what is remembered is bounded, and the latest slots stay', () => {
  const { first, second } = caught();
  const witness = new Witness();
  const turn = readSlotSealed(first.decoded);
  const at = (block: SlotBlock, slot: number): Pick<DecodedBlock, 'hash' | 'decoded' | 'sealed'> => {
    return { hash: block.hash, decoded: block.decoded, sealed: { ...turn, slot } };
  };
  for (let slot = 1; slot <= 2_000; slot++) assert.equal(witness.see(at(first, slot)), undefined);
  for (const forgotten of [1, 900, 976]) assert.equal(witness.see(at(second, forgotten)), undefined);
  for (const kept of [1_000, 1_500, 2_000]) assert.ok(witness.see(at(second, kept)));
});

test('anybody may report it: the author is accused on chain, once in an epoch', () => {
  const { node, first, second, proof } = caught();
  node.give(first);
  node.give(second);
  const result = validity(node, proof);
  assert.ok(result.ok);
  assert.equal(result.provides.length, 1);
  const [block] = node.grow(1, { extrinsics: [accusation(world.rules.runtime, proof)] });
  assert.ok(block);
  const { author, slot } = readSlotSealed(first.decoded);
  const events = block.built.events.map(({ event }) => event);
  const told = events.find(({ type, value }) => type === 'Slots' && value.type === 'Equivocated');
  assert.deepEqual(told?.value.value, { author, slot });
  const view = node.store.view(block.hash);
  assert.ok(view);
  assert.deepEqual(readStorage(view, SlotsDeclared.storage.Reported, epochAt(slot, 4)), [author]);
  assert.equal(refusal(node, proof), 'Stale');
  assert.equal(refusal(node, { first: proof.second, second: proof.first }), 'Stale');
});

test('an accusation that proves nothing is refused before it spreads', () => {
  const { node, first, proof } = caught();
  const owner = world.authorOf(first.slot, node.store.best.hash, node.store);
  const stranger = world.validators.find((one) => one !== owner);
  assert.ok(stranger);
  const make = (options: Parameters<SlotsNode['make']>[0]): Header => node.make(options).decoded;
  const other = { timestamp: first.timestamp + 1 };
  node.give(first);
  const parent = node.store.parent(first.hash) as Uint8Array;
  const forged = (options: Parameters<SlotsNode['make']>[0]): Header =>
    node.make({ slot: first.slot, ...other, ...options }, parent).decoded;
  const refusals: readonly [string, SlotEquivocation, string][] = [
    ['one header twice', { first: first.decoded, second: first.decoded }, 'BadProof'],
    ['two slots', { first: first.decoded, second: make({}) }, 'BadProof'],
    ['two authors', { first: first.decoded, second: forged({ author: stranger }) }, 'BadProof'],
    ['a seal of somebody else', { first: first.decoded, second: forged({ sealer: stranger.key }) }, 'BadProof'],
    ['no seal', { first: first.decoded, second: { ...first.decoded, digest: [] } }, 'BadProof'],
  ];
  for (const [what, accused, code] of refusals) assert.equal(refusal(node, accused), code, what);
  assert.equal(refusal(node, proof), undefined);
});

test('who was no authority then cannot be accused; slots of epochs to come cannot be reported yet', () => {
  const outsider = new SlotsChain(slotsSpec({ epochSlots: 4, names: ['Eve'] }), ['Eve']);
  const twice = (slot: number): SlotEquivocation => {
    const first = outsider.make({ slot });
    const second = outsider.make({ slot, timestamp: first.timestamp + 1 });
    return { first: first.decoded, second: second.decoded };
  };
  const node = new SlotsNode(world);
  const [block] = node.grow(1);
  assert.ok(block);
  assert.equal(refusal(node, twice(block.slot)), 'AncientBirthBlock');
  assert.equal(refusal(node, twice(block.slot + 8)), 'Future');
});

test('an epoch can be accused while it is kept, 64 epochs long, and its record goes with it', () => {
  const { node, first, second, proof } = caught();
  node.give(first);
  node.give(second);
  const epoch = epochAt(first.slot, 4);
  let slot = first.slot;
  const grow = (epochs: number) => {
    for (let n = 0; n < epochs; n++) node.grow(1, { slot: (slot += 4) });
    const view = node.store.view(node.store.best.hash);
    assert.ok(view);
    return view;
  };
  grow(64);
  assert.equal(refusal(node, proof), undefined);
  node.grow(1, { slot: ++slot, extrinsics: [accusation(world.rules.runtime, proof)] });
  slot += 3 - (slot % 4);
  const view = grow(1);
  assert.equal(refusal(node, proof), 'AncientBirthBlock');
  assert.equal(readStorage(view, SlotsDeclared.storage.Past, epoch), undefined);
  assert.deepEqual(readStorage(view, SlotsDeclared.storage.Reported, epoch), []);
  assert.equal(readStorage(view, SlotsDeclared.storage.PastEpochs).length, 64);
});
