/** # What a gadget needs of the chain that the chain's own business never brings: old final blocks, and other branches. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bytes } from '../../../src/base/bytes.ts';
import type { FinalityView } from '../../../src/consensus/finality/finality.ts';
import { Round } from '../../../src/consensus/finality/round.ts';
import { voteMessage } from '../../../src/primitives/justification.ts';
import type { BlockRef } from '../../../src/state/store.ts';
import { effectOf, type MadeBlock, makeBlock, Node } from '../world.ts';
import { Told } from './told.ts';
import { keyOf, plainSignature, plainVerify, votersOf } from './trees.ts';

const refOf = ({ hash, decoded }: MadeBlock): BlockRef => ({ hash, number: decoded.number });

/** Four blocks, of which two are final, and a branch beside them that is not there any more. */
function settled() {
  const finality = new Told();
  const node = new Node({ finality });
  const lost = makeBlock(node.store, node.store.genesis.hash, { timestamp: 1_700_000_009_000 });
  const blocks = node.grow(4);
  node.give(lost);
  const { genesis } = node.store;
  finality.says = [{ type: 'finalize', block: refOf(blocks[1] as MadeBlock) }];
  node.tick(node.now + 1);
  return { view: finality.view as FinalityView, blocks, lost, genesis };
}

test('below the last final block the ancestors are the final ones', () => {
  const { view, blocks, lost, genesis } = settled();
  const [one, two, three, four] = blocks as [MadeBlock, MadeBlock, MadeBlock, MadeBlock];
  const ancestor = (of: Bytes, number: number) => view.ancestor(of, number)?.hash;
  assert.deepEqual(ancestor(four.hash, 3), three.hash);
  assert.deepEqual(ancestor(four.hash, 1), one.hash);
  assert.deepEqual(ancestor(four.hash, 0), genesis.hash);
  assert.deepEqual(ancestor(two.hash, 0), genesis.hash);
  assert.deepEqual(ancestor(one.hash, 1), one.hash);
  assert.equal(ancestor(one.hash, 2), undefined);
  assert.equal(ancestor(four.hash, 5), undefined);
  assert.equal(ancestor(lost.hash, 0), undefined);
});

test('a round that began before the last block was final takes votes above that block', () => {
  const { view, blocks, genesis } = settled();
  const voters = votersOf({ a: 1 });
  const round = new Round({ round: 2n, setId: 0n, voters, base: genesis, tree: view, verify: plainVerify });
  const [target, id] = [refOf(blocks[3] as MadeBlock), keyOf('a')];
  const signature = plainSignature(id, voteMessage('prevote', target, 2n, 0n));
  const result = round.import({ stage: 'prevote', target, round: 2n, setId: 0n, id, signature });
  assert.deepEqual(result, { type: 'counted' });
  assert.deepEqual(round.state.ghost, target);
});

test('the chain passes on which block a gadget misses, and who named it', () => {
  const finality = new Told();
  const node = new Node({ finality });
  const missing = { type: 'missing', block: { hash: new Uint8Array(32).fill(7), number: 3 }, peer: 'p' } as const;
  finality.says = [missing];
  assert.deepEqual(effectOf(node.tick(node.now + 1), 'missing'), missing);
});
