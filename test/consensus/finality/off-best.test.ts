/** # What a gadget finalizes is the chain, wherever the work is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bytes, equal, toHex } from '../../../src/base/bytes.ts';
import { Author } from '../../../src/consensus/author.ts';
import { MemoryStore } from '../../../src/state/level/memory-store.ts';
import { consensusRules, effectOf, type MadeBlock, MINERS, makeBlock, Node, note, refusalOf } from '../world.ts';
import { Told } from './told.ts';

const [alice, bob] = MINERS;
const PROOF = Uint8Array.of(1, 2, 3);

/** Two branches on block 1: two blocks of Alice, four of Bob, which are the best chain. */
function forked() {
  const finality = new Told();
  const node = new Node({ finality });
  const [root] = node.grow(1) as [MadeBlock];
  const light = node.grow(2, root.hash, { miner: alice });
  const heavy = node.grow(4, root.hash, { miner: bob });
  assert.ok(equal(node.store.best.hash, (heavy.at(-1) as MadeBlock).hash));
  return { node, finality, root, light, heavy };
}

const finalize = ({ hash, decoded }: MadeBlock, more: { justification?: Bytes; keep?: boolean } = {}) =>
  ({ type: 'finalize', block: { hash, number: decoded.number }, ...more }) as const;

test('votes settle on a lighter branch: the node moves there first, and never leaves it again', () => {
  const { node, finality, light, heavy } = forked();
  const [first, second] = light as [MadeBlock, MadeBlock];
  finality.says = [finalize(first, { justification: PROOF, keep: true })];
  const effects = node.tick(node.now + 1);
  const head = effectOf(effects, 'head');
  assert.deepEqual(head?.best.hash, second.hash);
  assert.equal(head?.retracted.length, 4);
  assert.equal(head?.enacted.length, 2);
  const finalized = effectOf(effects, 'finalized');
  assert.deepEqual(finalized?.blocks.at(-1)?.hash, first.hash);
  assert.deepEqual(finalized?.justification, PROOF);
  assert.equal(finalized?.dropped.length, 4);
  assert.ok(effects.findIndex(({ type }) => type === 'head') < effects.findIndex(({ type }) => type === 'finalized'));
  assert.equal(effectOf(effects, 'flush')?.sync, true);
  assert.deepEqual(node.store.justification(first.hash), PROOF);
  assert.deepEqual(node.chain.best().hash, second.hash);
  for (const block of heavy) node.give(block);
  assert.equal(refusalOf(node.give(heavy[0] as MadeBlock)), 'BelowFinalized');
  assert.deepEqual(node.store.best.hash, second.hash);
  const [next] = node.grow(1, second.hash, { miner: bob }) as [MadeBlock];
  assert.deepEqual(node.store.best.hash, next.hash);
});

test('an author builds above what is final, though heavier work lies beside it', () => {
  const { node, finality, light } = forked();
  const [first, second] = light as [MadeBlock, MadeBlock];
  const author = new Author({ rules: consensusRules, store: node.store, ready: () => [] });
  author.step(node.now, { type: 'miners', count: 1 });
  finality.says = [finalize(first)];
  node.tick(node.now + 1);
  author.step(node.now, { type: 'head' });
  assert.deepEqual(author.template()?.parent.hash, second.hash);
});

test('what a gadget puts is there after a restart if it was persisted, with the block that it finalized', async () => {
  const { node, finality, heavy } = forked();
  const [first] = heavy as [MadeBlock];
  const mark = { id: alice.account, setId: 0n, round: 1n, stage: 'prevote', votes: [] } as const;
  finality.says = [
    { type: 'put', name: 'votes', value: PROOF },
    finalize(first, { justification: PROOF }),
    { type: 'persist', mark },
    { type: 'broadcast', message: PROOF },
  ];
  const types = node.tick(node.now + 1).map(({ type }) => type);
  assert.deepEqual(types, ['finalized', 'persist', 'broadcast', 'flush']);
  await node.store.flush(true);
  const again = MemoryStore.load(node.store.records, 'archive');
  assert.deepEqual(again.aux('votes'), PROOF);
  assert.deepEqual(again.settled.hash, first.hash);
  assert.equal(again.justification(first.hash), undefined, 'a proof that is not kept');
});

test('a gadget hears of every import, on whatever branch, and of the proof that came with it', () => {
  const { node, finality, root } = forked();
  finality.heard.length = 0;
  const block = makeBlock(node.store, root.hash, { extrinsics: [note(1)], miner: alice });
  node.give({ ...block, justification: PROOF });
  assert.deepEqual(node.store.best.number, 5);
  const { hash, decoded } = block;
  // Long blocks take several ticks, and a gadget is told the time with each.
  const heard = finality.heard.filter(({ type }) => type !== 'tick');
  assert.deepEqual(heard, [
    { type: 'head' },
    { type: 'justification', block: { hash, number: decoded.number }, bytes: PROOF, peer: 'peer' },
  ]);
  assert.ok(toHex(hash) !== toHex(node.store.best.hash));
});
