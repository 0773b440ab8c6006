/** # Checkpoint: at its height there is one block, for imports, for gossip, and for a chain that is stored already. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import { ensureCheckpoint } from '../../src/node/checkpoint.ts';
import { chainRules } from '../../src/node/rules.ts';
import { easySpec } from '../rpc/dev-node.ts';
import { consensusRules, MINERS, makeBlock, Node, refusalOf } from './world.ts';

await installFastPaths();

test('another block at the height of the checkpoint is refused, and so is all that stands on it', () => {
  const truth = new Node();
  const [first, checkpoint] = truth.grow(2);
  assert.ok(first && checkpoint);
  const node = new Node({ rules: { ...consensusRules, checkpoint: { number: 2, hash: checkpoint.hash } } });
  node.now = truth.now;
  assert.equal(refusalOf(node.give(first)), undefined);
  const other = makeBlock(node.store, first.hash, { miner: MINERS[1] });
  assert.equal(node.chain.vet(node.now, other.header, other.opening), 'refused');
  const effects = node.give(other);
  assert.deepEqual(
    effects.flatMap((effect) => (effect.type === 'refused' ? [effect.error.code, effect.blame] : [])),
    ['KnownBad', 'block'],
  );
  assert.equal(refusalOf(node.give(checkpoint)), undefined);
  assert.equal(node.store.best.number, 2);
});

test('a stored chain with another block in that place is refused by name, one without the height is not', () => {
  const { store } = new Node();
  const node = new Node({ store });
  const [block] = node.grow(1);
  assert.ok(block);
  const rules = (number: number, hash: Uint8Array) => ({
    consensus: { ...consensusRules, checkpoint: { number, hash } },
  });
  ensureCheckpoint(rules(1, block.hash), store);
  ensureCheckpoint(rules(2, new Uint8Array(32)), store);
  assert.throws(() => ensureCheckpoint(rules(1, new Uint8Array(32)), store), /checkpoint: block 1 here is 0x/);
});

test('a checkpoint in the chain spec changes no genesis, and is refused when it is none', () => {
  const plain = JSON.parse(easySpec());
  const hash = `0x${'ab'.repeat(32)}`;
  const parse = (checkpoint: unknown) => parseChainSpec(JSON.stringify({ ...plain, checkpoint }), 'test');
  const rules = chainRules(parse({ number: 7, hash }), () => {});
  assert.equal(toHex(rules.consensus.checkpoint?.hash ?? new Uint8Array(0)), hash);
  const without = chainRules(parseChainSpec(easySpec(), 'test'), () => {});
  assert.deepEqual(rules.genesis.hash, without.genesis.hash);
  assert.throws(() => parse({ number: 0, hash }), /checkpoint\.number/);
  assert.throws(() => parse({ number: 1, hash: '0x12' }), /checkpoint\.hash/);
});
