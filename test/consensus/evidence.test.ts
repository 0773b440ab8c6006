/** # Evidence: what was found is not lost because the chain could not take it then. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { equal } from '../../src/base/bytes.ts';
import { accusation } from '../../src/consensus/accusation.ts';
import { Evidence } from '../../src/consensus/evidence.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import type { SlotEquivocation } from '../../src/primitives/slots.ts';
import { SlotsChain, slotsSpec } from './slots-chain.ts';
import { SlotsNode } from './slots-node.ts';

before(async () => {
  await installFastPaths();
});

const world = new SlotsChain(slotsSpec({ epochSlots: 4 }));
const { runtime } = world.rules;
const evidenceOf = ({ store }: SlotsNode) =>
  new Evidence({ runtime, store, accusation: (proof) => accusation(runtime, proof as SlotEquivocation) });

/** A node that is ahead, and what an author sealed twice on top of it. */
function ahead(blocks: number) {
  const node = new SlotsNode(world);
  const made = node.grow(blocks);
  const first = node.make();
  const second = node.make({ timestamp: first.timestamp + 1 });
  return { node, made, proof: { first: first.decoded, second: second.decoded } };
}

test('who is behind accuses once his own state knows that epoch', () => {
  const { node, made, proof } = ahead(12);
  const behind = new SlotsNode(world);
  behind.now = node.now;
  const evidence = evidenceOf(behind);
  for (const block of made.slice(0, 2)) behind.give(block);
  assert.deepEqual(evidence.found(proof), [], 'its slot is of an epoch to come');
  const heights = made.slice(2).flatMap((block) => {
    behind.give(block);
    return evidence.due().length > 0 ? [block.decoded.number] : [];
  });
  assert.ok(heights.length > 0 && heights.every((height) => height > 6), `${heights}`);
  assert.equal(evidence.count, 1);
});

test('what is in no block is said again, what is in one is forgotten', () => {
  const { node, proof } = ahead(2);
  const evidence = evidenceOf(node);
  const [said] = evidence.found(proof);
  assert.ok(said);
  const again: number[] = [];
  for (let n = 0; n < 8; n++) {
    node.grow(1);
    for (const extrinsic of evidence.due()) {
      assert.ok(equal(extrinsic, said));
      again.push(node.store.best.number);
    }
  }
  assert.deepEqual(again, [6, 10]);
  node.grow(1, { extrinsics: [said] });
  for (let n = 0; n < 4; n++) {
    node.grow(1);
    assert.deepEqual(evidence.due(), []);
  }
  assert.equal(evidence.count, 0);
});

test('64 proofs are held, and none longer than 256 blocks', () => {
  const { node, proof } = ahead(2);
  const evidence = evidenceOf(node);
  for (let n = 0; n < 70; n++) evidence.found(proof);
  assert.equal(evidence.count, 64);
  node.grow(257);
  evidence.due();
  assert.equal(evidence.count, 0);
});
