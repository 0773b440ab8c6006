/** # Checkpoint: at its height there is one block, for imports, for gossip, and for a chain that is stored already. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/base/bytes.ts';
import { DepthFinality } from '../../src/consensus/finality/depth.ts';
import { metaOf } from '../../src/consensus/meta.ts';
import { installFastPaths } from '../../src/crypto/native/install.ts';
import { parseChainSpec } from '../../src/node/chain-spec.ts';
import { awayTooLong, ensureCheckpoint, unprovenStart } from '../../src/node/checkpoint.ts';
import { chainRules } from '../../src/node/rules.ts';
import { easySpec } from '../rpc/dev-node.ts';
import { consensusRules, MINERS, makeBlock, Node, refusalOf, START } from './world.ts';

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

test('who begins by votes alone, or was away for longer than stake is bound, is told to name a checkpoint', () => {
  const plain = JSON.parse(easySpec());
  const consensus = { ...plain.consensus, finality: 'grandpa' };
  const specOf = (chainType: string, rest: object = { consensus }) =>
    parseChainSpec(JSON.stringify({ ...plain, ...rest, chainType }), 'test');
  const spec = specOf('Live');
  const rules = chainRules(spec, () => {});
  const named = (number: number) => {
    const hash = new Uint8Array(32);
    return { ...rules, consensus: { ...rules.consensus, checkpoint: { number, hash } } };
  };
  assert.match(unprovenStart(rules) ?? '', /name a checkpoint in the chain spec/);
  assert.equal(unprovenStart(named(1)), undefined);
  const node = new Node({ finality: new DepthFinality(1) });
  const { sessionBlocks, sessionsPerEra, bondingEras } = rules.runtime.spec.staking;
  const bound = bondingEras * sessionsPerEra * sessionBlocks * spec.consensus.blockTimeMs;
  const far = START + 100 * bound;
  assert.equal(awayTooLong(rules, spec, node.store, far), undefined, 'at its beginning');
  node.grow(4);
  const { timestamp } = metaOf(node.store, node.store.settled.hash);
  assert.equal(awayTooLong(rules, spec, node.store, timestamp + bound), undefined);
  assert.match(awayTooLong(rules, spec, node.store, timestamp + bound + 1) ?? '', /h old, and stake is bound for/);
  assert.equal(awayTooLong(named(4), spec, node.store, far), undefined, 'it must be reached first');
  assert.ok(awayTooLong(named(3), spec, node.store, far) !== undefined);
  const local = specOf('Local');
  assert.equal(
    awayTooLong(
      chainRules(local, () => {}),
      local,
      node.store,
      far,
    ),
    undefined,
  );
  const byDepth = specOf('Live', {});
  assert.equal(
    awayTooLong(
      chainRules(byDepth, () => {}),
      byDepth,
      node.store,
      far,
    ),
    undefined,
  );
});
